# What the headers stand on, as one target, medmo::dependencies. Used by our own build and, installed beside
# medmoConfig.cmake, by everyone who says find_package(medmo). OpenMP is taken if it is there.
if(TARGET medmo::dependencies)
  return()
endif()

set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # so that a parent project sees what an add_subdirectory found
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(nlohmann_json 3.10 REQUIRED)
add_library(medmo::dependencies INTERFACE IMPORTED GLOBAL)
target_link_libraries(medmo::dependencies INTERFACE Eigen3::Eigen nlohmann_json::nlohmann_json)

# Two are taken as plain headers: stb has no package, and Debian's package of xsimd links a library it does not ship.
# Their folders can be set by hand, to build against another version.
function(medmo_find_headers name header package)
  find_path(MEDMO_${name}_INCLUDE_DIR ${header} PATH_SUFFIXES ${ARGN})
  mark_as_advanced(MEDMO_${name}_INCLUDE_DIR)
  if(NOT MEDMO_${name}_INCLUDE_DIR)
    message(FATAL_ERROR "medmo: <${header}> not found; install ${package} or set MEDMO_${name}_INCLUDE_DIR")
  endif()
  target_include_directories(medmo::dependencies INTERFACE "${MEDMO_${name}_INCLUDE_DIR}")
endfunction()
medmo_find_headers(XSIMD xsimd/xsimd.hpp libxsimd-dev)
medmo_find_headers(STB stb_image.h libstb-dev stb)
cmake_path(GET MEDMO_STB_INCLUDE_DIR PARENT_PATH medmo_stb_parent)  # <stb/stb_image.h> works as well
target_include_directories(medmo::dependencies INTERFACE "${medmo_stb_parent}")

if(NOT DEFINED MEDMO_OPENMP OR MEDMO_OPENMP)
  find_package(OpenMP QUIET COMPONENTS CXX)
  if(OpenMP_CXX_FOUND)
    target_link_libraries(medmo::dependencies INTERFACE OpenMP::OpenMP_CXX)
  else()
    message(STATUS "medmo: no OpenMP for ${CMAKE_CXX_COMPILER_ID}; loops run on one thread")
  endif()
endif()
unset(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL)
