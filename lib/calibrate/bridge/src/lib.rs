//! The crates that Bantam uses, behind the C functions of `bridge.h`.

mod boundary;
mod bounded;
mod chat_json;
mod chat_methods;
mod chat_template;
mod encode;
mod local_time;
mod text;
mod tokenizer;

#[cfg(feature = "parquet")]
mod parquet_rows;
#[cfg(not(feature = "parquet"))]
mod parquet_absent;
