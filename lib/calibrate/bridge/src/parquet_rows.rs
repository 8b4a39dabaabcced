//! The functions `bantam_parquet_*`: rows of a Parquet file as JSON, column by column as asked.

use crate::boundary::{guard, slice, OwnedText, Text};
use parquet::data_type::Decimal;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{json, Map, Value};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;

/// A file that refuses to read beyond its end before memory for it is asked for: the offsets come from the file.
struct Bounded(File);

impl Bounded {
    fn check(&self, start: u64, length: u64) -> ParquetResult<()> {
        match start.checked_add(length) {
            Some(end) if end <= self.0.len() => Ok(()),
            _ => Err(ParquetError::EOF(format!("bytes {start}+{length} lie outside of the file"))),
        }
    }
}

impl Length for Bounded {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Bounded {
    type T = <File as ChunkReader>::T;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.check(start, 0)?;
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<bytes::Bytes> {
        self.check(start, length as u64)?;
        self.0.get_bytes(start, length)
    }
}

pub struct BantamParquet {
    rows: Option<RowIter<'static>>,
    schema: Type,
    description: String,
}

fn open(path: &Path) -> Result<BantamParquet, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let reader = SerializedFileReader::new(Bounded(file)).map_err(|e| e.to_string())?;
    let metadata = reader.metadata().file_metadata();
    let schema = metadata.schema().clone();
    let columns: Vec<_> = schema.get_fields().iter().map(|f| f.name().to_string()).collect();
    let entries = metadata.key_value_metadata().into_iter().flatten();
    let huggingface = entries.filter(|e| e.key == "huggingface").find_map(|e| e.value.clone());
    let description = json!({"rows": metadata.num_rows(), "columns": columns, "huggingface": huggingface});
    let rows = Some(RowIter::from_file_into(Box::new(reader)));
    Ok(BantamParquet { rows, schema, description: description.to_string() })
}

impl BantamParquet {
    fn select(&mut self, names: &[&str]) -> Result<(), String> {
        let wanted = |field: &&std::sync::Arc<Type>| names.contains(&field.name());
        let fields: Vec<_> = self.schema.get_fields().iter().filter(wanted).cloned().collect();
        let projection = Type::group_type_builder(self.schema.name())
            .with_fields(fields)
            .build()
            .map_err(|e| e.to_string())?;
        let rows = self.rows.take().ok_or("the file was closed by an earlier error")?;
        self.rows = Some(rows.project(Some(projection)).map_err(|e| e.to_string())?);
        Ok(())
    }

    fn next(&mut self, count: usize) -> Result<String, String> {
        // Taken out, so that a cursor that panicked is not used again.
        let mut rows = self.rows.take().ok_or("the file was closed by an earlier error")?;
        let mut batch = Vec::new();
        for row in rows.by_ref().take(count) {
            batch.push(row_value(row.map_err(|e| e.to_string())?));
        }
        self.rows = Some(rows);
        serde_json::to_string(&batch).map_err(|e| e.to_string())
    }
}

fn row_value(row: Row) -> Value {
    let columns = row.into_columns().into_iter();
    Value::Object(columns.map(|(name, field)| (name, field_value(&field))).collect::<Map<_, _>>())
}

fn field_value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(v) => json!(v),
        Field::Byte(v) => json!(v),
        Field::Short(v) => json!(v),
        Field::Int(v) => json!(v),
        Field::Long(v) => json!(v),
        Field::UByte(v) => json!(v),
        Field::UShort(v) => json!(v),
        Field::UInt(v) => json!(v),
        Field::ULong(v) => json!(v),
        Field::Float16(v) => json!(v.to_f32()),
        Field::Float(v) => json!(v),
        Field::Double(v) => json!(v),
        Field::Decimal(v) => json!(decimal(v)),
        Field::Str(v) => json!(v),
        // Old writers leave strings unmarked. Images and other true bytes are no text: null.
        Field::Bytes(v) => std::str::from_utf8(v.data()).map_or(Value::Null, |text| json!(text)),
        Field::Date(v) | Field::TimeMillis(v) => json!(v),
        Field::TimeMicros(v) | Field::TimestampMillis(v) | Field::TimestampMicros(v) => json!(v),
        Field::Group(row) => row_value(row.clone()),
        Field::ListInternal(list) => list.elements().iter().map(field_value).collect(),
        Field::MapInternal(map) => {
            let pair = |(key, value): &(Field, Field)| json!([field_value(key), field_value(value)]);
            map.entries().iter().map(pair).collect()
        }
    }
}

fn decimal(value: &Decimal) -> f64 {
    let bytes = value.data();
    let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
    let unscaled = bytes.iter().fold(0.0, |sum, &byte| sum * 256.0 + f64::from(byte));
    let signed = if negative { unscaled - 256f64.powi(bytes.len() as i32) } else { unscaled };
    signed / 10f64.powi(value.scale())
}

/// # Safety
/// `path` is valid for the call; so is `error`, or null (here and below).
#[no_mangle]
pub unsafe extern "C" fn bantam_parquet_open(path: Text, error: *mut OwnedText) -> *mut BantamParquet {
    guard(error, null_mut(), || {
        let file = open(Path::new(OsStr::from_bytes(path.bytes())))?;
        Ok(Box::into_raw(Box::new(file)))
    })
}

/// # Safety
/// `file` comes from `bantam_parquet_open`, or is null, and is not used any more.
#[no_mangle]
pub unsafe extern "C" fn bantam_parquet_close(file: *mut BantamParquet) {
    if !file.is_null() {
        guard(null_mut(), (), || {
            drop(Box::from_raw(file));
            Ok(())
        });
    }
}

/// # Safety
/// `file` is open (here and below).
#[no_mangle]
pub unsafe extern "C" fn bantam_parquet_describe(file: *const BantamParquet, error: *mut OwnedText) -> OwnedText {
    guard(error, OwnedText::none(), || Ok((*file).description.clone().into()))
}

/// # Safety
/// `columns` points to `count` names.
#[no_mangle]
pub unsafe extern "C" fn bantam_parquet_select(
    file: *mut BantamParquet,
    columns: *const Text,
    count: usize,
    error: *mut OwnedText,
) -> bool {
    guard(error, false, || {
        let names: Result<Vec<&str>, String> = slice(columns, count).iter().map(|c| c.utf8()).collect();
        (*file).select(&names?).map(|_| true)
    })
}

/// # Safety
/// `file` is open and used by one thread.
#[no_mangle]
pub unsafe extern "C" fn bantam_parquet_next(
    file: *mut BantamParquet,
    count: usize,
    error: *mut OwnedText,
) -> OwnedText {
    guard(error, OwnedText::none(), || (*file).next(count).map(OwnedText::from))
}
