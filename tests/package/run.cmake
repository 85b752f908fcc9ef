# Configures, builds and runs the consumer, from an empty folder. HOW is a way of consumer/CMakeLists.txt.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE "${WORK}")
if(HOW MATCHES "^find_package")
  run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
  foreach(file IN ITEMS LICENSE NOTICE)
    if(NOT EXISTS "${WORK}/prefix/share/doc/medmo/${file}")
      message(FATAL_ERROR "the installed package has no ${file}")
    endif()
  endforeach()
endif()
run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/consumer" -B "${WORK}/build" -G "${GENERATOR}" -DHOW=${HOW}
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${WORK}/prefix -DMEDMO_SOURCE=${SOURCE})
run("${CMAKE_COMMAND}" --build "${WORK}/build")
run("${WORK}/build/consumer")
