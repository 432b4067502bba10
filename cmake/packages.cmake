# Debian packages, one per install component: `cmake --workflow --preset packages`. Included last, when all targets
# are known.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The gcbarrier authors")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_COMPONENTS_ALL "")

# gcbarrier_package(COMPONENT PACKAGE SECTION SUMMARY [DEPENDENCY...])
macro(gcbarrier_package component package section summary)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  string(TOUPPER ${component} upper)
  set(dependencies ${ARGN})
  list(JOIN dependencies ", " CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}")
  install(FILES LICENSE DESTINATION share/doc/${package} RENAME copyright COMPONENT ${component})
endmacro()

set(library libgcbarrier${PROJECT_VERSION_MAJOR})
gcbarrier_package(library ${library} libs "Written heap pages from the kernel, for garbage collectors: the library")
gcbarrier_package(dev libgcbarrier-dev libdevel
                  "Written heap pages from the kernel, for garbage collectors: headers for C and C++"
                  "${library} (= ${PROJECT_VERSION})")
install(FILES docs/examples/collector.c DESTINATION share/doc/libgcbarrier-dev/examples COMPONENT dev)
if(TARGET gcbarrier-bdwgc)
  gcbarrier_package(bdwgc gcbarrier-bdwgc libs "Written heap pages from the kernel, for programs on libgc")
endif()

include(CPack)
