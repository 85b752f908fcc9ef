# Every header alone: one object a header, with all warnings as errors, built by the test house_headers_alone and not
# before. Also medmo_rooms.hpp, the rooms that must live without exceptions and RTTI, for tests/no_exceptions.
set(rooms_without_exceptions core kernels text vision model generate metrics rewards)
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/include/*.hpp")
list(FILTER headers EXCLUDE REGEX "io/dicom\\.hpp|train/distributed")

set(units "")
set(rooms_text "#pragma once\n")
foreach(header IN LISTS headers)
  string(REGEX REPLACE "^medmo/([^/]+)/.*" "\\1" room "${header}")
  if(room IN_LIST rooms_without_exceptions)
    string(APPEND rooms_text "#include \"${header}\"\n")
  elseif(NOT MEDMO_EXCEPTIONS)
    continue()
  endif()
  string(MAKE_C_IDENTIFIER "${header}" name)
  set(unit "${CMAKE_CURRENT_BINARY_DIR}/headers_alone/${name}.cpp")
  file(CONFIGURE OUTPUT "${unit}" CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
  list(APPEND units "${unit}")
endforeach()
file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/no_exceptions/medmo_rooms.hpp" CONTENT "${rooms_text}")

add_library(medmo_headers_alone OBJECT EXCLUDE_FROM_ALL ${units})
target_link_libraries(medmo_headers_alone PRIVATE medmo_program_options)
target_compile_options(medmo_headers_alone PRIVATE -O0 -Werror)
cmake_host_system_information(RESULT processors QUERY NUMBER_OF_LOGICAL_CORES)
add_test(NAME house_headers_alone
         COMMAND "${CMAKE_COMMAND}" --build "${PROJECT_BINARY_DIR}" --target medmo_headers_alone -j ${processors} -- --quiet -k 0)
set_tests_properties(house_headers_alone PROPERTIES PROCESSORS ${processors} TIMEOUT 900)
