//! Python's values as PostgreSQL takes them, and its rows as Python takes them.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Failure = Box<dyn Error + Sync + Send>;

/// An argument of a statement.
#[derive(Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
}

pub fn values(arguments: &Bound<'_, PyTuple>) -> PyResult<Vec<Value>> {
    arguments.iter().map(|argument| value(&argument)).collect()
}

fn value(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(if object.is_none() {
        Value::Null
    } else if object.is_instance_of::<PyBool>() {
        Value::Bool(object.extract()?)
    } else if object.is_instance_of::<PyInt>() {
        Value::Int(object.extract()?)
    } else if object.is_instance_of::<PyFloat>() {
        Value::Float(object.extract()?)
    } else if object.is_instance_of::<PyString>() {
        Value::Text(object.extract()?)
    } else if object.is_instance_of::<PyBytes>() {
        Value::Bytes(object.extract()?)
    } else {
        let name = object.get_type().qualname()?;
        return Err(PyTypeError::new_err(format!("a {name} is no value for SQL here")));
    })
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match (self, kind) {
            (Self::Null, _) => return Ok(IsNull::Yes),
            (Self::Bool(value), &Type::BOOL) => return value.to_sql(kind, out),
            (Self::Int(value), &Type::INT2) => out.put_i16(i16::try_from(*value)?),
            (Self::Int(value), &Type::INT4) => out.put_i32(i32::try_from(*value)?),
            (Self::Int(value), &Type::INT8) => out.put_i64(*value),
            (Self::Float(value), &Type::FLOAT4) => out.put_f32(*value as f32),
            (Self::Float(value), &Type::FLOAT8) => out.put_f64(*value),
            (Self::Int(value), &Type::FLOAT8) => out.put_f64(*value as f64),
            (Self::Text(value), &Type::TEXT | &Type::VARCHAR | &Type::NAME) => out.put(value.as_bytes()),
            (Self::Bytes(value), &Type::BYTEA) => out.put(&value[..]),
            _ => return Err(PyTypeError::new_err(format!("{self:?} is no {kind}: cast it in SQL")).into()),
        }
        Ok(IsNull::No)
    }

    /// Whether it fits is said with the value.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column of a row, as it has come.
struct Cell<'a> {
    kind: Type,
    raw: &'a [u8],
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self { kind: kind.clone(), raw })
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Cell<'_> {
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let Self { kind, raw } = self;
        let bad = |error: Failure| PyTypeError::new_err(error.to_string());
        Ok(match kind {
            Type::VOID => py.None().into_bound(py),
            Type::BOOL => PyBool::new(py, bool::from_sql(&kind, raw).map_err(bad)?).to_owned().into_any(),
            Type::INT2 => i16::from_sql(&kind, raw).map_err(bad)?.into_pyobject(py)?.into_any(),
            Type::INT4 => i32::from_sql(&kind, raw).map_err(bad)?.into_pyobject(py)?.into_any(),
            Type::INT8 => i64::from_sql(&kind, raw).map_err(bad)?.into_pyobject(py)?.into_any(),
            Type::FLOAT4 => f32::from_sql(&kind, raw).map_err(bad)?.into_pyobject(py)?.into_any(),
            Type::FLOAT8 => f64::from_sql(&kind, raw).map_err(bad)?.into_pyobject(py)?.into_any(),
            Type::BYTEA => PyBytes::new(py, raw).into_any(),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR => {
                <&str>::from_sql(&kind, raw).map_err(bad)?.into_pyobject(py)?.into_any()
            }
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "{kind} is nothing in Python here: cast it in SQL"
                )));
            }
        })
    }
}

/// What a query gives: a list of dicts.
#[derive(Default)]
pub struct Rows(pub Vec<Row>);

impl<'py> IntoPyObject<'py> for Rows {
    type Target = PyList;
    type Output = Bound<'py, PyList>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let list = PyList::empty(py);
        for row in &self.0 {
            let dict = PyDict::new(py);
            for (at, column) in row.columns().iter().enumerate() {
                let cell: Option<Cell<'_>> =
                    row.try_get(at).map_err(|error| PyErr::from(crate::error::Error::from(error)))?;
                dict.set_item(column.name(), cell.map(|cell| cell.into_python(py)).transpose()?)?;
            }
            list.append(dict)?;
        }
        Ok(list)
    }
}
