# The installed tree: the library, include/octile, the CMake package and the pkg-config file. It may be moved: nothing in it holds a path.
# (The octile command installs itself, in cli/.)
include(CMakePackageConfigHelpers)

set(OCTILE_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/octile)
set(OCTILE_PKGCONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(BUILD_SHARED_LIBS)
    install(TARGETS octile_shared EXPORT octile-targets)
    set(OCTILE_PC_CFLAGS "-DOCTILE_SHARED")
else()
    install(TARGETS octile EXPORT octile-targets)
    set(OCTILE_PC_PRIVATE "-lstdc++ -lm -lpthread")
endif()
# All of include/ is public, so there is no list to keep.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/octile TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD_PARTY_NOTICES.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT octile-targets NAMESPACE octile:: DESTINATION ${OCTILE_PACKAGE_DIR})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/octile-config.cmake.in octile-config.cmake
    INSTALL_DESTINATION ${OCTILE_PACKAGE_DIR} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(octile-config-version-number.cmake COMPATIBILITY SameMinorVersion)
configure_file(${PROJECT_SOURCE_DIR}/cmake/octile-config-version.cmake.in octile-config-version.cmake @ONLY)
foreach(file octile-config octile-config-version octile-config-version-number)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${file}.cmake DESTINATION ${OCTILE_PACKAGE_DIR})
endforeach()

file(RELATIVE_PATH OCTILE_PREFIX_FROM_PC /prefix/${OCTILE_PKGCONFIG_DIR} /prefix)
configure_file(${PROJECT_SOURCE_DIR}/cmake/octile.pc.in octile.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/octile.pc DESTINATION ${OCTILE_PKGCONFIG_DIR})
