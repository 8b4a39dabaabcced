//! The crates that Bantam uses, behind the C functions of `bridge.h`.

mod boundary;
mod encode;
mod text;
mod tokenizer;

#[cfg(feature = "parquet")]
mod parquet_rows;
#[cfg(not(feature = "parquet"))]
mod parquet_absent;
