# A menu. The work is in xtask/.
.DEFAULT_GOAL := help
.PHONY: help run demo build test sim bugs month lint fmt bench soak deny openapi clean-lab

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

run: ## build, then show this machine in the browser
	@cargo xtask run

demo: ## build, then watch Stead repair real containers that fall ill
	@cargo xtask demo

build: ## leave target/release/stead with the UI inside
	@cargo xtask build

test: ## everything: lint, UI, Rust, end to end in a lab of its own
	@cargo xtask test

sim: ## simulate SEEDS=1000 fleets under faults, or tell SEED=0x… (DROP=…)
	@cargo xtask sim $(if $(SEED),--seed $(SEED) $(if $(DROP),--drop $(DROP)) --story,--seeds $(or $(SEEDS),1000) $(if $(FROM),--from $(FROM)))

bugs: ## plant each bug the simulation must find, and let it
	@cargo xtask sim --bugs

month: ## live through thirty days of an invented fleet in minutes, into DATA=DIR (DAYS=30), then show it
	@cargo xtask month --data $(or $(DATA),target/month) $(if $(DAYS),--days $(DAYS))

lint: ## formatting, clippy, and the guards of `cargo xtask tidy`
	@cargo xtask lint

fmt: ## format the Rust code
	@cargo xtask fmt

bench: ## benchmarks beside their peers, into docs/benchmarks.md (BENCH="history server ui": only those)
	@cargo xtask bench $(BENCH)

soak: ## kill server and agent a thousand times under load, into docs/benchmarks.md
	@cargo xtask soak

deny: ## licences, bans and sources of every dependency (needs cargo-deny)
	@cargo xtask deny

openapi: ## write the API description and the typed client
	@cargo xtask openapi

clean-lab: ## remove what the test lab keeps on this machine
	@cargo xtask lab clean
