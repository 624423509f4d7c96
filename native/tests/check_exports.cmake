# Compares the symbols that LIBRARY exports with EXPECTED.
execute_process(COMMAND ${NM} -D --defined-only -j ${LIBRARY} OUTPUT_VARIABLE exported COMMAND_ERROR_IS_FATAL ANY)
string(STRIP "${exported}" exported)
string(REPLACE "\n" ";" exported "${exported}")
list(SORT exported)
list(SORT EXPECTED)
if(NOT exported STREQUAL EXPECTED)
    message(FATAL_ERROR "exported: ${exported}\ndeclared: ${EXPECTED}")
endif()
