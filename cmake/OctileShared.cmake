# octile_shared: liboctile.so, which exports what the public headers declare, each name with the interface's version.
octile_library(octile_shared SHARED)

# Before 1.0 a minor version may change the interface.
set(OCTILE_INTERFACE ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(version_script ${PROJECT_BINARY_DIR}/liboctile.map)
configure_file(${PROJECT_SOURCE_DIR}/cmake/liboctile.map.in ${version_script} @ONLY)
set_target_properties(octile_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${OCTILE_INTERFACE} LINK_DEPENDS ${version_script})
target_compile_definitions(octile_shared INTERFACE OCTILE_SHARED)
target_link_options(octile_shared PRIVATE LINKER:--version-script=${version_script} LINKER:-z,defs,-z,text,-z,noexecstack)
