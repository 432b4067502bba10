# coverage_report: line coverage of gcbarrier/ by the tests that have run; fails below 95 %. In the preset `coverage`:
#   cmake --preset coverage && cmake --build --preset coverage && ctest --preset coverage
#   cmake --build --preset coverage --target coverage_report
find_program(GCBARRIER_GCOVR gcovr)
if(CMAKE_CXX_FLAGS MATCHES "--coverage" AND GCBARRIER_GCOVR)
  add_custom_target(coverage_report
    COMMAND ${GCBARRIER_GCOVR} --root ${PROJECT_SOURCE_DIR} --filter ${PROJECT_SOURCE_DIR}/gcbarrier/
            --exclude-unreachable-branches --fail-under-line 95 --print-summary ${PROJECT_BINARY_DIR}
    VERBATIM USES_TERMINAL)
endif()
