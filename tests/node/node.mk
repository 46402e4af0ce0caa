node-test: ## the built-in node against the Debian Python driver
	$(Q)$(MAKE) -s MODE=debug build/debug/seam-node && tests/node/run build/debug/seam-node
.PHONY: node-test
