# What `cmake --install` and CPack ship: the binary, manual pages and shell completion written by the binary itself,
# the schemas, the licence and the documents a user needs.
include(GNUInstallDirs)
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)

set(share ${PROJECT_BINARY_DIR}/share)
set(crate_notices "")
if(BANTAM_TOKENIZERS)
  set(crate_notices COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/cmake/crate_notices.py ${BANTAM_CARGO}
      ${PROJECT_SOURCE_DIR}/lib/calibrate/bridge/Cargo.toml ${share}/third-party/rust-crates.txt
      $<$<BOOL:${BANTAM_PARQUET}>:--features=parquet>)
endif()
set(share_stamp ${share}/written)
add_custom_command(
  OUTPUT ${share_stamp}
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${share}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${share}/bash ${share}/zsh ${share}/fish ${share}/third-party
  COMMAND bantam man --output ${share}/man1
  COMMAND bantam completion bash > ${share}/bash/bantam
  COMMAND bantam completion zsh > ${share}/zsh/_bantam
  COMMAND bantam completion fish > ${share}/fish/bantam.fish
  ${crate_notices}
  COMMAND ${CMAKE_COMMAND} -E touch ${share_stamp}
  DEPENDS bantam cmake/crate_notices.py COMMAND_EXPAND_LISTS VERBATIM COMMENT "Writing manual pages and shell completion")
add_custom_target(bantam_share ALL DEPENDS ${share_stamp})

install(TARGETS bantam RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${share}/man1/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${share}/bash/bantam DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${share}/zsh/_bantam DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${share}/fish/bantam.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
# The licences of what is linked in, as Debian ships them with each package and as crates carry them.
install(DIRECTORY ${share}/third-party/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/third-party)
foreach(package libcli11-dev libcpp-httplib-dev libeigen3-dev libfmt-dev libonnx-dev libprotobuf-dev libspdlog-dev libssl-dev
                libstdc++6 libvalijson-dev libzstd-dev nlohmann-json3-dev zlib1g-dev)
  if(EXISTS /usr/share/doc/${package}/copyright)
    install(FILES /usr/share/doc/${package}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR}/third-party
            RENAME ${package}.txt)
  endif()
endforeach()
if(EXISTS ${BANTAM_HTTPLIB_DIR}/LICENSE)
  install(FILES ${BANTAM_HTTPLIB_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR}/third-party RENAME cpp-httplib.txt)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/schemas)
  install(DIRECTORY schemas/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bantam/schemas FILES_MATCHING PATTERN "*.json")
endif()

set(CPACK_GENERATOR TGZ)
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
if(DPKG_SHLIBDEPS)
  list(APPEND CPACK_GENERATOR DEB)  # without it the package would claim to depend on nothing
endif()
set(CPACK_PACKAGE_NAME bantam)
set(CPACK_PACKAGE_VENDOR "The Bantam maintainers")
set(CPACK_PACKAGE_CONTACT "The Bantam maintainers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
string(TOLOWER ${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR} platform)
set(CPACK_PACKAGE_FILE_NAME bantam-${PROJECT_VERSION}-${platform})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Reads Hugging Face checkpoints and writes quantized, sharded ONNX bundles that
 transformers.js and onnxruntime-web load in a browser. Works offline.")
# dpkg-shlibdeps finds what the binary needs; with BANTAM_STATIC that is the C library alone.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)
