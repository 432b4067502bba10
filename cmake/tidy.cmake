# tidy: clang-tidy over all of our sources, with the checks in .clang-tidy; fails at any finding. Takes minutes.
find_program(GCBARRIER_RUN_CLANG_TIDY NAMES run-clang-tidy run-clang-tidy-14)
if(GCBARRIER_RUN_CLANG_TIDY)
  add_custom_target(tidy
    COMMAND ${GCBARRIER_RUN_CLANG_TIDY} -quiet -p ${PROJECT_BINARY_DIR}
            "^${PROJECT_SOURCE_DIR}/(common|gcbarrier|heap|tests|bench|runtimes|docs)/.*\\.(c|cpp)$"
    VERBATIM USES_TERMINAL)
endif()
