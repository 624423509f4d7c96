# Every symbol that OBJECTS define must lie in ortho::cpu::NAMESPACE: another one could replace, in the whole library, a
# function compiled for older processors.
string(LENGTH ${NAMESPACE} length)
foreach(object IN LISTS OBJECTS)
    execute_process(COMMAND ${NM} --defined-only -j ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
    string(STRIP "${symbols}" symbols)
    string(REPLACE "\n" ";" symbols "${symbols}")
    foreach(symbol IN LISTS symbols)
        if(NOT symbol MATCHES "5ortho3cpu${length}${NAMESPACE}" AND NOT symbol MATCHES "^\\.L")
            message(SEND_ERROR "${symbol} lies outside the namespace")
        endif()
    endforeach()
endforeach()
