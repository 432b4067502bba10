# What an installed gcbarrier consists of: headers, and the two ways to find them. Components: dev (what is
# compiled against), library (what runs).
include(CMakePackageConfigHelpers)

install(DIRECTORY gcbarrier/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gcbarrier COMPONENT dev
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h" PATTERN c EXCLUDE)

# Made by the target docs, and installed if it was.
install(DIRECTORY ${PROJECT_BINARY_DIR}/docs/reference/man/man3 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT dev
        OPTIONAL FILES_MATCHING PATTERN "gcb*.3" PATTERN "GCB_*.3" PATTERN write_watch.h.3)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gcbarrier)
install(TARGETS gcbarrier gcbarrier_c gcbarrier_c_static EXPORT gcbarrierTargets
        LIBRARY COMPONENT library NAMELINK_COMPONENT dev
        ARCHIVE COMPONENT dev)
install(EXPORT gcbarrierTargets NAMESPACE gcbarrier:: DESTINATION ${package_dir} COMPONENT dev)
file(WRITE ${PROJECT_BINARY_DIR}/gcbarrierConfig.cmake
     "include(\${CMAKE_CURRENT_LIST_DIR}/gcbarrierTargets.cmake)\n")
# Until 1.0 a new minor version may break what compiled with the last one.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gcbarrierConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gcbarrierConfig.cmake ${PROJECT_BINARY_DIR}/gcbarrierConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT dev)

# Relative to the file itself: the prefix is often chosen when installing, not when configuring.
file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/gcbarrier.pc.in gcbarrier.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gcbarrier.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
