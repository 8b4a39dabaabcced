# cpp-httplib, for `bantam serve`: the target bantam_httplib.
#
# The binary must need nothing but the C library, and Debian packages cpp-httplib as a shared library alone. Its header-only
# form is in Debian's source package, which scripts/setup unpacks into build/cpp-httplib; an upstream httplib.h in a system
# folder will do too. Where there is neither, the shared library is linked, and the binary needs it at run time.
find_path(BANTAM_HTTPLIB_DIR httplib.h HINTS ${PROJECT_SOURCE_DIR}/build/cpp-httplib REQUIRED
          DOC "Folder of cpp-httplib's header")
file(STRINGS ${BANTAM_HTTPLIB_DIR}/httplib.h implementation LIMIT_COUNT 1 REGEX "^inline bool Server::listen_internal")
add_library(bantam_httplib INTERFACE)
target_include_directories(bantam_httplib SYSTEM INTERFACE ${BANTAM_HTTPLIB_DIR})
set(BANTAM_HTTPLIB_SHARED OFF CACHE INTERNAL "Whether the binary needs libcpp-httplib.so")
if(NOT implementation)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(CPP_HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
  target_link_libraries(bantam_httplib INTERFACE PkgConfig::CPP_HTTPLIB)
  set(BANTAM_HTTPLIB_SHARED ON CACHE INTERNAL "")
  message(NOTICE "cpp-httplib is linked as a shared library: its header-only form is not there (scripts/setup gets it)")
endif()
