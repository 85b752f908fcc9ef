# How our own programs, tests and benchmarks are built: one target, medmo_program_options, that none of our users sees.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()
find_program(MEDMO_CCACHE ccache)
mark_as_advanced(MEDMO_CCACHE)
if(MEDMO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${MEDMO_CCACHE}")
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

add_library(medmo_program_options INTERFACE)
target_link_libraries(medmo_program_options INTERFACE medmo::medmo)
target_compile_options(medmo_program_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow)
target_compile_definitions(medmo_program_options INTERFACE
  MEDMO_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data" MEDMO_EXAMPLE_DATA="${PROJECT_SOURCE_DIR}/examples/data")
if(MEDMO_NATIVE)
  target_compile_options(medmo_program_options INTERFACE -march=native)
endif()
if(MEDMO_SANITIZE)
  target_compile_options(medmo_program_options INTERFACE
    -fsanitize=${MEDMO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(medmo_program_options INTERFACE -fsanitize=${MEDMO_SANITIZE})
endif()
