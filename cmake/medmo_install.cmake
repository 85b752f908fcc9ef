# Install: the headers and what find_package(medmo) reads. The package has no binaries and fits every architecture.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(medmo_config_dir "${CMAKE_INSTALL_DATADIR}/cmake/medmo")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/medmo" DESTINATION include FILES_MATCHING PATTERN "*.hpp")
install(TARGETS medmo EXPORT medmoTargets)
install(EXPORT medmoTargets NAMESPACE medmo:: DESTINATION "${medmo_config_dir}")
configure_package_config_file(cmake/medmoConfig.cmake.in "${PROJECT_BINARY_DIR}/medmoConfig.cmake"
                              INSTALL_DESTINATION "${medmo_config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/medmoConfigVersion.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/medmoConfig.cmake" "${PROJECT_BINARY_DIR}/medmoConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/medmo_dependencies.cmake" "${PROJECT_SOURCE_DIR}/cmake/medmo_dicom.cmake"
        DESTINATION "${medmo_config_dir}")
install(FILES LICENSE NOTICE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/medmo")
