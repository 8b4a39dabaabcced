# bantam_bridge: the Rust crates behind lib/calibrate/bridge/bridge.h, built by cargo into one static library.
# Without BANTAM_TOKENIZERS the same functions answer that they were left out.
option(BANTAM_TOKENIZERS "Link the Hugging Face tokenizers crate (needs cargo >= 1.85; Debian 12: cargo-web rustc-web)" ON)
option(BANTAM_PARQUET "Read Parquet data sets (with BANTAM_TOKENIZERS; about 40 s more of one core, once)" ON)

set(bridge_source ${PROJECT_SOURCE_DIR}/lib/calibrate/bridge)

if(NOT BANTAM_TOKENIZERS)
  add_library(bantam_bridge STATIC ${bridge_source}/absent.c)
  target_compile_options(bantam_bridge PRIVATE -Wall -Wextra)
  return()
endif()

# The first cargo that is new enough: on PATH, of rustup, Debian's.
set(BANTAM_CARGO_MINIMUM 1.85)
if(NOT BANTAM_CARGO)
  find_program(cargo_on_path cargo NO_CACHE)
  foreach(candidate ${cargo_on_path} $ENV{CARGO_HOME}/bin/cargo $ENV{HOME}/.cargo/bin/cargo /usr/bin/cargo)
    if(NOT EXISTS ${candidate})
      continue()
    endif()
    execute_process(COMMAND ${candidate} --version OUTPUT_VARIABLE version ERROR_QUIET)
    string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" version "${version}")
    if(version VERSION_GREATER_EQUAL BANTAM_CARGO_MINIMUM)
      set(BANTAM_CARGO ${candidate} CACHE FILEPATH "cargo, at least ${BANTAM_CARGO_MINIMUM}")
      message(STATUS "Found cargo: ${candidate} (${version})")
      break()
    endif()
    string(APPEND too_old " ${candidate} is ${version}.")
  endforeach()
endif()
if(NOT BANTAM_CARGO)
  message(FATAL_ERROR "cargo >= ${BANTAM_CARGO_MINIMUM} is needed for the tokenizers.${too_old} On Debian 12: apt-get install "
                      "cargo-web rustc-web. To build without tokenizers and data sets: -DBANTAM_TOKENIZERS=OFF.")
endif()

# Several build folders may share what cargo compiles (CARGO_TARGET_DIR); each keeps its own copy of the library.
if(DEFINED ENV{CARGO_TARGET_DIR})
  set(cargo_target_default $ENV{CARGO_TARGET_DIR})
else()
  set(cargo_target_default ${PROJECT_BINARY_DIR}/bridge/target)
endif()
set(BANTAM_CARGO_TARGET_DIR ${cargo_target_default} CACHE PATH "Where cargo keeps its objects")

set(bridge_library ${PROJECT_BINARY_DIR}/bridge/libbantam_bridge.a)
set(bridge_features "")
set(bridge_environment CARGO_TARGET_DIR=${BANTAM_CARGO_TARGET_DIR})
if(BANTAM_PARQUET)
  set(bridge_features --features parquet)
  # The zstd that lib/shard links, not a second copy with the same symbols; found by pkg-config.
  list(APPEND bridge_environment ZSTD_SYS_USE_PKG_CONFIG=1)
  find_program(BANTAM_PKG_CONFIG pkg-config REQUIRED)
endif()
# The marker changes with the features, so that switching one rebuilds the library.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/bridge/features.txt CONTENT "${bridge_features}\n")
file(GLOB bridge_sources CONFIGURE_DEPENDS ${bridge_source}/src/*.rs)
add_custom_command(
  OUTPUT ${bridge_library}
  COMMAND ${CMAKE_COMMAND} -E env ${bridge_environment}
          ${BANTAM_CARGO} build --locked --release --quiet ${bridge_features}
          --manifest-path ${bridge_source}/Cargo.toml
  COMMAND ${CMAKE_COMMAND} -E copy ${BANTAM_CARGO_TARGET_DIR}/release/libbantam_bridge.a ${bridge_library}
  DEPENDS ${bridge_source}/Cargo.toml ${bridge_source}/Cargo.lock ${bridge_sources}
          ${PROJECT_BINARY_DIR}/bridge/features.txt
  COMMENT "Building the Rust bridge with cargo (about 90 s the first time)"
  VERBATIM)
add_custom_target(bantam_bridge_build DEPENDS ${bridge_library})
add_library(bantam_bridge STATIC IMPORTED GLOBAL)
set_target_properties(bantam_bridge PROPERTIES IMPORTED_LOCATION ${bridge_library})
target_link_libraries(bantam_bridge INTERFACE ${BANTAM_ZSTD} Threads::Threads ${CMAKE_DL_LIBS} m)
add_dependencies(bantam_bridge bantam_bridge_build)
