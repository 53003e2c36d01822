# make demo   sets up, registers a pair into a Slicer scene, writes pictures and a table to demo/
# make test   sets up, checks the style, runs all tests
PYTHON ?= python3
VENV := .venv
PACKAGES := $(CURDIR):$(CURDIR)/LatentRegistration:$(CURDIR)/MotionModel:$(CURDIR)/RiskPrediction:$(CURDIR)/AgentRegistration
RUN := PYTHONPATH=$(PACKAGES) OMP_NUM_THREADS=2 $(VENV)/bin/python
DATA ?=
TRAINING := training
TRAIN := LatentRegistration/LatentRegistrationTrain/LatentRegistrationTrain.py
HIPPOCAMPUS = --images $(DATA)/images --labels $(DATA)/labels --grid 48,64,48 --spacing 1 --mixed-precision --overlap-weight 2

.DELETE_ON_ERROR:
.PHONY: demo test format benchmarks benchmark-motion reproduction reproduction-krebs reproduction-motion reproduction-risk \
    reproduction-risk-acdc benchmark-risk reproduction-agent benchmark-agent screenshots train train-cardiac train-motion \
    train-agent train-agent-options clean

demo: $(VENV)/installed
	$(RUN) -m Testing.demo --output demo $(if $(DATA),--data $(DATA))

test: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(RUN) -m pytest LatentRegistration/Testing MotionModel/Testing RiskPrediction/Testing AgentRegistration/Testing
	$(RUN) -m pytest Testing  # in a process of its own: one that has run thousands of tests becomes slow

format: $(VENV)/installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Slow: every figure of Documentation/benchmarks.md; needs DATA, a folder with images/ and labels/.
benchmarks: $(VENV)-benchmark/installed
	PYTHONPATH=$(PACKAGES) $(VENV)-benchmark/bin/python Testing/Benchmarks/benchmark_registration.py --data $(DATA) --output $(TRAINING)/benchmarks

# Slow: every figure of Documentation/estienne.md.
reproduction: $(VENV)/installed
	$(RUN) Testing/Reproduction/estienne.py --data $(DATA) --output $(TRAINING)/reproduction

# Slow: every figure of Documentation/krebs.md; here DATA is a folder with a folder per patient. The models that are not
# bundled (one scale, other latent sizes) are compared where `make train-cardiac` has trained them.
space := $(subst ,, )
comma := ,
reproduction-krebs: $(VENV)-benchmark/installed
	PYTHONPATH=$(PACKAGES) $(VENV)-benchmark/bin/python Testing/Reproduction/krebs.py --data $(DATA) \
	    --output $(TRAINING)/krebs --model cardiac-short-axis --second cardiac-short-axis-labels \
	    $(addprefix --one-scale=,$(wildcard $(TRAINING)/cardiac-one-scale/model)) \
	    --sizes=$(subst $(space),$(comma),$(wildcard $(TRAINING)/cardiac-latent-*/model))

# Slow, one to two hours the first time: every figure of Documentation/motion.md but its speed and memory, into that page;
# DATA is a folder with a folder per patient. What the peers have tracked is kept.
reproduction-motion: $(VENV)-benchmark/installed
	PYTHONPATH=$(PACKAGES) $(VENV)-benchmark/bin/python Testing/Reproduction/motion_baselines.py --data $(DATA) \
	    --output $(TRAINING)/motion/baselines
	PYTHONPATH=$(PACKAGES) $(VENV)-benchmark/bin/python Testing/Reproduction/motion.py --data $(DATA) \
	    --output $(TRAINING)/motion --document Documentation/motion.md

# Speed and memory of the motion models, beside SyN's, into that page too; needs no data, and nothing else running.
benchmark-motion: $(VENV)-benchmark/installed
	PYTHONPATH=$(PACKAGES) $(VENV)-benchmark/bin/python Testing/Benchmarks/benchmark_motion.py --output $(TRAINING)/benchmarks \
	    --models "cardiac-cine-2d;cardiac-cine-3d;fingerprint" --document Documentation/motion.md

# Lifelines' bundled cohorts and a simulated one: our survival model beside Cox, forests and boosting.
reproduction-risk: $(VENV)/installed
	$(RUN) Testing/Reproduction/risk.py --output $(TRAINING)/risk

# Table 6.1 and figure 6.2 on real cine with simulated outcomes, and phantoms with known hazard; DATA is a folder with a folder
# per patient. Fingerprints are extracted once and kept.
reproduction-risk-acdc: $(VENV)/installed
	$(RUN) Testing/Reproduction/risk_acdc.py --data $(DATA) --output $(TRAINING)/risk-acdc \
	    --parts table,draws,control,phantoms,slices

# Speed and memory of risk prediction, from cine to curve; needs no data.
benchmark-risk: $(VENV)/installed
	$(RUN) Testing/Benchmarks/benchmark_risk.py --output $(TRAINING)/benchmarks

# Every figure of Documentation/agent.md but its speed and memory, into that page: a quarter of an hour for what the classical
# methods find, which is kept, and as long again. DATA has images/ and labels/ of hippocampi, HEARTS a folder per patient.
HEARTS ?=
AGENT = --hippocampus "$(DATA)" --hearts "$(HEARTS)"
reproduction-agent: $(VENV)/installed
	$(RUN) Testing/Reproduction/agent_peers.py $(AGENT) --agents "3-D=hippocampus-agent;2-D=cardiac-slice-agent"
	$(RUN) Testing/Reproduction/agent.py $(AGENT) --document Documentation/agent.md

# Speed and memory of agents; needs no data.
benchmark-agent: $(VENV)/installed
	$(RUN) Testing/Benchmarks/benchmark_agent.py --document Documentation/agent.md

# The pictures of the README: the demonstration's, and the panel and its views; need DATA, as they show real images.
screenshots: $(VENV)/installed
	$(RUN) -m Testing.demo --output demo --data $(DATA)
	$(RUN) -m Testing.screenshots --output Resources/Screenshots --data $(DATA)
	$(RUN) -m Testing.screenshots_heart --output Resources/Screenshots
	$(RUN) -m Testing.screenshots_motion --output Resources/Screenshots
	$(RUN) -m Testing.screenshots_risk --output Resources/Screenshots
	$(RUN) -m Testing.screenshots_agent --output Resources/Screenshots
	cp demo/contact_sheet.png Resources/Screenshots/contact_sheet.png

# Slow, hours on a CPU: the bundled models; needs DATA.
train: $(VENV)/installed
	$(RUN) $(TRAIN) $(HIPPOCAMPUS) --output $(TRAINING)/hippocampus --name hippocampus --seed 1 --folding-weight 3 \
	    --widths 16,32,96,192 --code-channels 96 --epochs 110 --full-resolution-epochs 15
	$(RUN) $(TRAIN) $(HIPPOCAMPUS) --output $(TRAINING)/hippocampus-skips --name hippocampus-skips --seed 1 --folding-weight 100 \
	    --skips --epochs 90 --full-resolution-epochs 12
	$(RUN) -m Testing.phantom_set --output $(TRAINING)/phantoms
	$(RUN) $(TRAIN) --images $(TRAINING)/phantoms/images --labels $(TRAINING)/phantoms/labels --grid 40,40,40 --spacing 1 \
	    --widths 16,32,64 --code-channels 16 --mixed-precision --overlap-weight 2 --folding-weight 3 --epochs 60 \
	    --full-resolution-epochs 10 --seed 1 --output $(TRAINING)/phantom --name phantom

	$(RUN) $(TRAIN) --model probabilistic --images $(DATA)/images --labels $(DATA)/labels --grid 48,64,48 --spacing 1 \
	    --mixed-precision --output $(TRAINING)/hippocampus-probabilistic --name hippocampus-probabilistic --seed 3 --finest 1 \
	    --smoothing 2 --largest-velocity 14 --latent 64 --widths 16,32,64 --code-channels 16 --context 16,32,64 --window 7 \
	    --likelihood-weight 50000 --overlap-weight 3 --folding-weight 1 --rotation 8 --translation 1.5 --zoom 0.1 --elastic 2.5 \
	    --elastic-spacing 12 --learning-rate 1.5e-3 --epochs 60 --full-resolution-epochs 0

# Slow, hours on a CPU: the models of the heart; DATA is a folder with a folder per patient.
CARDIAC = --model probabilistic --images $(DATA) --split-file $(TRAINING)/acdc-validation.txt --grid 8,104,104 \
    --spacings 10,1.6,1.6 --frame image --flip 0.5 --through-plane 3 --mixed-precision
VALIDATION = mkdir -p $(TRAINING) && ls -d $(DATA)/patient*[05] | xargs -n 1 basename > $(TRAINING)/acdc-validation.txt
SMOOTH = --smoothing 8 --likelihood-weight 10000 --reference-share 0.5 --learning-rate 5e-4
train-cardiac: $(VENV)/installed
	$(VALIDATION)
	$(RUN) $(TRAIN) $(CARDIAC) $(SMOOTH) --output $(TRAINING)/cardiac-main --name cardiac-short-axis --seed 1 --epochs 70 \
	    --full-resolution-epochs 10 --pairs-per-case 8
	$(RUN) $(TRAIN) $(CARDIAC) --output $(TRAINING)/cardiac-second --name cardiac-short-axis-labels --seed 1 --smoothing 5 \
	    --latent 64 --context 16,32,32 --finest 1 --likelihood-weight 20000 --overlap-weight 2 --folding-weight 1 \
	    --reference-share 0.8 --initialize $(TRAINING)/cardiac-main/model --learning-rate 5e-4 --epochs 66 --full-resolution-epochs 0
	$(RUN) $(TRAIN) $(CARDIAC) $(SMOOTH) --scales 1 --output $(TRAINING)/cardiac-one-scale --name cardiac-one-scale --seed 1 \
	    --initialize $(TRAINING)/cardiac-main/model --epochs 24 --full-resolution-epochs 24 --pairs-per-case 6
	for latent in 8 16 32 64; do $(RUN) $(TRAIN) $(CARDIAC) $(SMOOTH) --latent $$latent --seed 1 --epochs 70 \
	    --full-resolution-epochs 10 --output $(TRAINING)/cardiac-latent-$$latent --name cardiac-latent-$$latent; done

# Slow, hours on a CPU: the motion models, each from the weights of a bundled model of pairs; DATA as for train-cardiac.
# The bundled ones went the same way in two or three runs, which are on their cards.
MOTION = MotionModel/MotionModelTrain/MotionModelTrain.py --images $(DATA) --split-file $(TRAINING)/acdc-validation.txt \
    --initialize cardiac-short-axis-labels --heart 3,2,1 --flip 0.5 --latent 64 --context 16,32,32 --finest 1 --smoothing 5 \
    --through-plane 3 --overlap-weight 2 --folding-weight 1 --sub-sequence 8 --full-resolution-epochs 0 --mixed-precision --seed 1
SLICES = --grid 104,104 --spacings 1.6,1.6 --slices 3 --sequences-per-case 3 --learning-rate 6e-4
train-motion: $(VENV)/installed
	$(VALIDATION)
	$(RUN) $(MOTION) $(SLICES) --epochs 28 --output $(TRAINING)/cardiac-cine-2d --name cardiac-cine-2d
	$(RUN) $(MOTION) --grid 8,104,104 --spacings 10,1.6,1.6 --sequences-per-case 1 --learning-rate 5e-4 --target-share 0.8 \
	    --epochs 42 --output $(TRAINING)/cardiac-cine-3d --name cardiac-cine-3d
	$(RUN) $(MOTION) $(SLICES) --initialize $(TRAINING)/cardiac-cine-2d/model --transport-weight 4 --epochs 44 \
	    --output $(TRAINING)/cardiac-cine-2d-transport --name cardiac-cine-2d-transport
	$(RUN) $(MOTION) $(SLICES) --initialize $(TRAINING)/cardiac-cine-2d-transport/model --transport-weight 3 --prior unit \
	    --slots 25 --epochs 14 --output $(TRAINING)/fingerprint --name fingerprint
	$(RUN) $(MOTION) $(SLICES) --initialize $(TRAINING)/cardiac-cine-2d/model --prior unit --epochs 10 \
	    --output $(TRAINING)/motion-2d-unit --name motion-2d-unit
	$(RUN) $(MOTION) --grid 8,104,104 --spacings 10,1.6,1.6 --learning-rate 6e-4 --initialize $(TRAINING)/cardiac-cine-3d/model \
	    --prior unit --epochs 8 --output $(TRAINING)/motion-3d-unit --name motion-3d-unit

# Slow, an hour and a half on a CPU: the agents. The bundled cardiac-slice-agent was trained so (but for what its finder was shown:
# both images of the pairs). The Q network of hippocampus-agent has more behind it: 27 epochs in three runs with a finder on the
# agent's own grid, then the one on its card; one run of as many epochs was not tried. What the cards recommend of the walk was
# chosen with the table of options (reproduction-agent). DATA is the hippocampus set, HEARTS a folder with a folder per patient.
TRAIN_AGENT = AgentRegistration/AgentRegistrationTrain/AgentRegistrationTrain.py --widths 16,32,32 --joint --structure-epochs 4 \
    --batches 100 --epochs 16 --decay-batches 160 --warmup 50
HIPPOCAMPUS_AGENT = --images $(DATA)/images --labels $(DATA)/labels --grid 24,32,24 --spacing 2 --fine 2 --stride 1 \
    --structures-finely --structure-widths 8,16,32,64 --group-size 36 --validation-pairs 20
HEART_AGENT = --images $(HEARTS) --split-file $(TRAINING)/acdc-validation.txt --slices 3 --pairs 500 --group-size 40 \
    --validation-pairs 34 --seed 1
$(TRAINING)/acdc-validation.txt:
	mkdir -p $(TRAINING) && ls -d $(HEARTS)/patient*[05] | xargs -n 1 basename > $@
train-agent: $(VENV)/installed $(TRAINING)/acdc-validation.txt
	$(RUN) $(TRAIN_AGENT) $(HIPPOCAMPUS_AGENT) --walk-overlap 300 --output $(TRAINING)/hippocampus-agent \
	    --name hippocampus-agent
	$(RUN) $(TRAIN_AGENT) $(HEART_AGENT) --output $(TRAINING)/cardiac-slice-agent --name cardiac-slice-agent

# Slow, four hours on a CPU: agents that are alike but for one option, on a finder of structures that they share; and what the
# options give, into the page of the agents.
OPEN = $(TRAINING)/open
FROM_2D = $(TRAIN_AGENT) $(HEART_AGENT) --deformations $(OPEN)/finder-2d --initialize $(OPEN)/finder-2d/model \
    --structure-epochs 1 --epochs 13 --output $(OPEN)/hearts
FROM_3D = $(TRAIN_AGENT) $(HIPPOCAMPUS_AGENT) --seed 1 --deformations $(OPEN)/finder-3d --initialize $(OPEN)/finder-3d/model \
    --structure-epochs 1 --epochs 13 --output $(OPEN)/hippocampi
train-agent-options: $(VENV)/installed $(TRAINING)/acdc-validation.txt
	$(RUN) $(TRAIN_AGENT) $(HEART_AGENT) --epochs 4 --output $(OPEN)/finder-2d
	$(RUN) $(FROM_2D)-plain
	$(RUN) $(FROM_2D)-rigid --rigid-translation 0.5 --rigid-rotation 2
	$(RUN) $(FROM_2D)-ensemble --members 3
	$(RUN) $(TRAIN_AGENT) $(HIPPOCAMPUS_AGENT) --seed 1 --epochs 4 --output $(OPEN)/finder-3d
	$(RUN) $(FROM_3D)-plain
	$(RUN) $(FROM_3D)-rigid --rigid-translation 0.5 --rigid-rotation 2
	$(RUN) $(FROM_3D)-ensemble --members 3
	$(RUN) Testing/Reproduction/agent.py $(AGENT) --document Documentation/agent.md --parts trainings --trainings \
	    "plain=$(OPEN)/hearts-plain/model,$(OPEN)/hippocampi-plain/model;rigid motions=$(OPEN)/hearts-rigid/model,$(OPEN)/hippocampi-rigid/model;three networks=$(OPEN)/hearts-ensemble/model,$(OPEN)/hippocampi-ensemble/model;bundled=cardiac-slice-agent,hippocampus-agent"

.venv: $(VENV)/installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The stamp makes the second run quick: nothing is installed until a requirement changes.
$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# antspyx, a peer that is compared with, wants older versions of NumPy and SciPy: a place of its own.
$(VENV)-benchmark/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-benchmark
	grep -v -e numpy -e scikit constraints.txt > $(VENV)-benchmark/constraints.txt
	$(VENV)-benchmark/bin/python -m pip install --quiet --disable-pip-version-check -c $(VENV)-benchmark/constraints.txt -e '.[figures,benchmark]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-benchmark demo build *.egg-info
