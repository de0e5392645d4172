"""Training: recipes, networks, data, the loop, export. Needs the extra ``train`` (PyTorch, Lightning Fabric)."""
