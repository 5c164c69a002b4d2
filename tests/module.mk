# Tests. unit/: CUnit, one program a module; e2e/: over real sockets; fuzz/, bench/.
-include tests/unit/module.mk
-include tests/e2e/module.mk
-include tests/fuzz/module.mk
-include tests/bench/module.mk
