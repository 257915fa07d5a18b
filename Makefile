# Every target works from a clean checkout on Debian 12 with Python 3.11 and again on a warm one.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check format units scenarios soak stories docs bench-parse bench-gateway fuzz clean

demo: $(READY)  ## the main job on the embedded switch, by itself
	$(BIN)/offhook demo --once

test: $(READY)  ## every test
	$(BIN)/python -m pytest -q -n 2 -m "not scenario and not browser and not simulation"
	$(BIN)/python -m pytest -q -n 2 -m simulation
	$(BIN)/python -m pytest -q -n 2 -m scenario
	$(BIN)/python -m pytest -q -m browser

check: $(READY)  ## what one runs all day: format, lint, types, architecture, units
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	OFFHOOK_STEPS=5000 $(BIN)/python -m pytest -q -x -n 2 -m "not scenario and not browser and not lengthy and not simulation"

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

units: $(READY)
	$(BIN)/python -m pytest -q -n 2 -m "not scenario and not browser and not simulation"

scenarios: $(READY)
	$(BIN)/python -m pytest -q -n 2 -m scenario

soak: $(READY)  ## ten thousand agent-hours of simulation, two processes; stopped, it goes on where it was
	$(BIN)/python -m offhook.testing.simulation_soak --hours 10000 --state build/soak/simulation.json

stories: $(READY)  ## the stories on every server there is, and the table of them (OFFHOOK_FREESWITCH, OFFHOOK_SLOW=1)
	-$(BIN)/python -m pytest -q tests/scenarios/stories
	$(BIN)/python docs/stories.py

docs: $(READY)  ## the generated parts of docs/
	$(BIN)/python docs/generate.py

bench-parse: $(READY)  ## the parser beside SIP.js, JsSIP, sipmessage and aiosipua
	$(BIN)/python benchmarks/parse.py

bench-gateway: $(READY)  ## what an agent costs the gateway process, beside SIP.js in Node
	$(BIN)/python benchmarks/gateway.py

fuzz: $(READY)  ## a minute of coverage-guided fuzzing for each target; fuzz/README.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	mkdir -p build/fuzz
	for target in parse describe agent; do \
	    $(BIN)/python fuzz/run.py $$target -max_total_time=60 -artifact_prefix=build/fuzz/ build/fuzz/$$target || exit 1; \
	done

$(READY): pyproject.toml constraints.txt tools/setup
	PYTHON=$(PYTHON) sh tools/setup $(VENV)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
