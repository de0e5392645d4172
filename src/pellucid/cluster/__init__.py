"""Folders and object stores of any size, restored by many processes on many machines.

Each process takes the files that are its own, or paths travel to it; pictures never do. Every file goes through
`pellucid.batch.restore_file`, so outputs are those of one machine, to the byte. A manifest (`parts`) says how each was made, and
another run does what is missing or changed.
"""
