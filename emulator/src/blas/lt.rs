//! cuBLASLt: products described piece by piece, with what follows them.

use super::gemm::scale;
use super::product::{Compute, Epilogue, Matrix, Product, Scale, Type};
use super::status::unsupported;
use crate::driver::context;
use crate::driver::error::{Code, Error, Result, invalid, lock, put};
use crate::driver::handle::{Handles, Raw};
use crate::driver::stream;
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex};

/// What was set of a descriptor, by attribute.
type Values = Mutex<HashMap<u32, Vec<u8>>>;

/// A descriptor: of an operation, of a matrix, or of a preference.
#[derive(Debug, Default)]
pub struct Descriptor(Values);

static HANDLES: Handles<()> = Handles::new("a handle of cuBLASLt");
static OPERATIONS: Handles<Descriptor> = Handles::new("a descriptor of a product");
static LAYOUTS: Handles<Descriptor> = Handles::new("a descriptor of a matrix");
static PREFERENCES: Handles<Descriptor> = Handles::new("a preference");

impl Descriptor {
    fn with<const N: usize>(values: [(u32, Vec<u8>); N]) -> Descriptor {
        Descriptor(Mutex::new(HashMap::from(values)))
    }

    fn number(&self, attribute: u32) -> Option<u64> {
        let mut bytes = [0; 8];
        let values = lock(&self.0);
        let value = values.get(&attribute)?;
        let n = value.len().min(8);
        bytes[..n].copy_from_slice(&value[..n]);
        Some(u64::from_le_bytes(bytes))
    }
}

unsafe fn set(descriptor: Result<Arc<Descriptor>>, attribute: u32, from: *const c_void, bytes: usize) -> Result {
    let descriptor = descriptor?;
    if from.is_null() || bytes == 0 || bytes > 64 {
        return invalid(format!("{bytes} bytes for the attribute {attribute}"));
    }
    // SAFETY: not null, and the caller promises so many bytes.
    let value = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), bytes) }.to_vec();
    lock(&descriptor.0).insert(attribute, value);
    Ok(())
}

unsafe fn get(
    descriptor: Result<Arc<Descriptor>>,
    attribute: u32,
    to: *mut c_void,
    bytes: usize,
    written: *mut usize,
) -> Result {
    let descriptor = descriptor?;
    let values = lock(&descriptor.0);
    let Some(value) = values.get(&attribute) else { return invalid(format!("the attribute {attribute} was not set")) };
    // SAFETY: the caller promises room for `bytes` bytes.
    unsafe {
        if !written.is_null() {
            put(written, value.len())?;
        }
        if bytes == 0 {
            return Ok(());
        }
        if to.is_null() || bytes < value.len() {
            return invalid(format!("{bytes} bytes for an attribute of {}", value.len()));
        }
        to.cast::<u8>().copy_from_nonoverlapping(value.as_ptr(), value.len());
    }
    Ok(())
}

pub unsafe fn create(handle: *mut Raw) -> Result {
    context::current()?;
    // SAFETY: the caller's promise.
    unsafe { put(handle, HANDLES.add(|_| ()).0) }
}

pub unsafe fn destroy(handle: Raw) -> Result {
    HANDLES.remove(handle).map(|_| ())
}

/// Attributes of an operation.
const COMPUTE: u32 = 0;
const SCALE: u32 = 1;
const POINTERS: u32 = 2;
const TRANSPOSE_A: u32 = 3;
const TRANSPOSE_B: u32 = 4;
const TRANSPOSE_C: u32 = 5;
const EPILOGUE: u32 = 7;
const BIAS: u32 = 8;
const BIAS_ITEM: u32 = 10;
const AUX: u32 = 11;
const AUX_LEADING: u32 = 12;
const AUX_ITEM: u32 = 13;
const AUX_TYPE: u32 = 22;
const BIAS_TYPE: u32 = 26;

pub unsafe fn operation_create(operation: *mut Raw, compute: u32, scale: u32) -> Result {
    let values = [
        (COMPUTE, compute.to_le_bytes().to_vec()),
        (SCALE, scale.to_le_bytes().to_vec()),
        (EPILOGUE, 1u32.to_le_bytes().to_vec()),
    ];
    // SAFETY: the caller's promise.
    unsafe { put(operation, OPERATIONS.add(|_| Descriptor::with(values)).0) }
}

pub unsafe fn operation_destroy(operation: Raw) -> Result {
    OPERATIONS.remove(operation).map(|_| ())
}

pub unsafe fn operation_set(operation: Raw, attribute: u32, from: *const c_void, bytes: usize) -> Result {
    // SAFETY: the caller's promise.
    unsafe { set(OPERATIONS.get(operation), attribute, from, bytes) }
}

pub unsafe fn operation_get(operation: Raw, attribute: u32, to: *mut c_void, bytes: usize, n: *mut usize) -> Result {
    // SAFETY: the caller's promise.
    unsafe { get(OPERATIONS.get(operation), attribute, to, bytes, n) }
}

/// Attributes of a matrix.
const TYPE: u32 = 0;
const ORDER: u32 = 1;
const ROWS: u32 = 2;
const COLUMNS: u32 = 3;
const LEADING: u32 = 4;
const BATCH: u32 = 5;
const ITEM: u32 = 6;

pub unsafe fn layout_create(layout: *mut Raw, kind: u32, rows: u64, columns: u64, leading: i64) -> Result {
    let values = [
        (TYPE, kind.to_le_bytes().to_vec()),
        (ROWS, rows.to_le_bytes().to_vec()),
        (COLUMNS, columns.to_le_bytes().to_vec()),
        (LEADING, leading.to_le_bytes().to_vec()),
    ];
    // SAFETY: the caller's promise.
    unsafe { put(layout, LAYOUTS.add(|_| Descriptor::with(values)).0) }
}

pub unsafe fn layout_destroy(layout: Raw) -> Result {
    LAYOUTS.remove(layout).map(|_| ())
}

pub unsafe fn layout_set(layout: Raw, attribute: u32, from: *const c_void, bytes: usize) -> Result {
    // SAFETY: the caller's promise.
    unsafe { set(LAYOUTS.get(layout), attribute, from, bytes) }
}

pub unsafe fn layout_get(layout: Raw, attribute: u32, to: *mut c_void, bytes: usize, n: *mut usize) -> Result {
    // SAFETY: the caller's promise.
    unsafe { get(LAYOUTS.get(layout), attribute, to, bytes, n) }
}

pub unsafe fn preference_create(preference: *mut Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { put(preference, PREFERENCES.add(|_| Descriptor::default()).0) }
}

pub unsafe fn preference_destroy(preference: Raw) -> Result {
    PREFERENCES.remove(preference).map(|_| ())
}

pub unsafe fn preference_set(preference: Raw, attribute: u32, from: *const c_void, bytes: usize) -> Result {
    // SAFETY: the caller's promise.
    unsafe { set(PREFERENCES.get(preference), attribute, from, bytes) }
}

pub unsafe fn preference_get(preference: Raw, attribute: u32, to: *mut c_void, bytes: usize, n: *mut usize) -> Result {
    // SAFETY: the caller's promise.
    unsafe { get(PREFERENCES.get(preference), attribute, to, bytes, n) }
}

/// A matrix by its descriptor, as the product sees it, and how many items its batch has.
fn matrix(name: &'static str, layout: Raw, address: u64, transposed: bool) -> Result<(Matrix, usize)> {
    let layout = LAYOUTS.get(layout)?;
    let number = |attribute| layout.number(attribute).unwrap_or(0) as usize;
    let kind = Type::of(number(TYPE) as u32)?;
    let (rows, columns, leading) = (number(ROWS), number(COLUMNS), number(LEADING));
    let (along, strides) = match number(ORDER) {
        0 => (rows, [1, leading]),
        1 => (columns, [leading, 1]),
        other => return unsupported(format!("the order {other} of the matrix {name}")),
    };
    if leading < along || leading > i64::MAX as usize {
        return invalid(format!("the leading dimension {leading} of the matrix {name}: expected {along} at least"));
    }
    let batch = layout.number(BATCH).map_or(1, |n| n as u32 as usize);
    let item = layout.number(ITEM).unwrap_or(0) as i64;
    let swap = |[a, b]: [usize; 2]| if transposed { [b, a] } else { [a, b] };
    let matrix = Matrix { name, address, kind, size: swap([rows, columns]), strides: swap(strides), item };
    Ok((matrix, batch))
}

/// The product that descriptors say, without its addresses and scales; what cuBLASLt would refuse is an error.
fn describe(operation: Raw, layouts: [Raw; 4], addresses: [u64; 4]) -> Result<(Product, Type, u32)> {
    let operation = OPERATIONS.get(operation)?;
    let number = |attribute| operation.number(attribute).unwrap_or(0);
    let (compute, default_scale) = Compute::of(number(COMPUTE) as u32)?;
    let scale_type = Type::of(number(SCALE) as u32)?;
    if scale_type != default_scale {
        return unsupported("a scale type that is not the compute type's own");
    }
    if number(TRANSPOSE_C) != 0 {
        return unsupported("a transposed matrix C");
    }
    let [la, lb, lc, ld] = layouts;
    let [a, b, c, d] = addresses;
    let (a, _) = matrix("A", la, a, number(TRANSPOSE_A) != 0)?;
    let (b, _) = matrix("B", lb, b, number(TRANSPOSE_B) != 0)?;
    let (c, _) = matrix("C", lc, c, false)?;
    let (d, batch) = matrix("D", ld, d, false)?;
    let ([m, k], [k_of_b, n]) = (a.size, b.size);
    if k != k_of_b || d.size != [m, n] || c.size != [m, n] {
        return invalid(format!("a product of {:?} and {:?} to {:?}, beside {:?}", a.size, b.size, d.size, c.size));
    }
    if (compute == Compute::F64) != (a.kind == Type::F64) || a.kind != b.kind {
        return unsupported("factors of these types with this compute type");
    }
    let epilogue = epilogue(&operation, &d)?;
    let zero = Scale::Value(0.0);
    let name = "cublasLtMatmul";
    let product = Product { name, a, b, c, d, alpha: zero, beta: zero, compute, epilogue, batch, checks: true };
    Ok((product, scale_type, number(POINTERS) as u32))
}

/// The bits of a `cublasLtEpilogue_t`.
const RELU_BIT: u64 = 2;
const BIAS_BIT: u64 = 4;
const GELU_BIT: u64 = 32;
const AUX_BIT: u64 = 128;

fn epilogue(operation: &Descriptor, d: &Matrix) -> Result<Epilogue> {
    let which = operation.number(EPILOGUE).unwrap_or(1);
    let has = |bit: u64| which & bit != 0;
    let known = which == 1 || which & !(RELU_BIT | BIAS_BIT | GELU_BIT | AUX_BIT) == 0;
    if !known || has(RELU_BIT) && has(GELU_BIT) || has(AUX_BIT) && !has(RELU_BIT) && !has(GELU_BIT) {
        return unsupported(format!("the epilogue {which}"));
    }
    let typed = |attribute| match operation.number(attribute).map(|kind| kind as u32) {
        None | Some(u32::MAX) => Ok(d.kind),
        Some(kind) => Type::of(kind),
    };
    let address = |attribute| operation.number(attribute).unwrap_or(0);
    let [m, _] = d.size;
    let mut found = Epilogue { relu: has(RELU_BIT), gelu: has(GELU_BIT), ..Epilogue::default() };
    if has(BIAS_BIT) {
        let (address, item) = (address(BIAS), operation.number(BIAS_ITEM).unwrap_or(0) as i64);
        let (kind, size, strides) = (typed(BIAS_TYPE)?, [m, 1], [1, m]);
        found.bias = Some(Matrix { name: "of the bias", address, kind, size, strides, item });
    }
    if has(AUX_BIT) {
        let (address, item) = (address(AUX), operation.number(AUX_ITEM).unwrap_or(0) as i64);
        let leading = operation.number(AUX_LEADING).unwrap_or(0) as usize;
        if leading < m || found.relu && !leading.is_multiple_of(128) {
            return invalid(format!("the leading dimension {leading} of the epilogue's auxiliary matrix"));
        }
        let (kind, size, strides) = (typed(AUX_TYPE)?, d.size, [1, leading]);
        found.aux = Some(Matrix { name: "of the epilogue", address, kind, size, strides, item });
    }
    Ok(found)
}

/// `cublasLtMatmulHeuristicResult_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Choice {
    algorithm: [u64; 8],
    workspace: usize,
    state: u32,
    waves: f32,
    reserved: [c_int; 4],
}

#[allow(clippy::too_many_arguments)] // cuBLASLt's
pub unsafe fn choose(
    handle: Raw,
    operation: Raw,
    a: Raw,
    b: Raw,
    c: Raw,
    d: Raw,
    preference: Raw,
    wanted: c_int,
    choices: *mut Choice,
    found: *mut c_int,
) -> Result {
    HANDLES.get(handle)?;
    PREFERENCES.get(preference)?;
    if wanted < 1 || choices.is_null() {
        return invalid("no room for an algorithm");
    }
    // SAFETY: the caller's promise.
    unsafe {
        put(found, 0)?;
        // There is one way to compute each product.
        describe(operation, [a, b, c, d], [0; 4])?;
        put(
            choices,
            Choice { algorithm: [1, 0, 0, 0, 0, 0, 0, 0], workspace: 0, state: 0, waves: 1.0, reserved: [0; 4] },
        )?;
        put(found, 1)
    }
}

#[allow(clippy::too_many_arguments)] // cuBLASLt's
pub unsafe fn matmul(
    handle: Raw,
    operation: Raw,
    alpha: *const c_void,
    a: *const c_void,
    a_layout: Raw,
    b: *const c_void,
    b_layout: Raw,
    beta: *const c_void,
    c: *const c_void,
    c_layout: Raw,
    d: *mut c_void,
    d_layout: Raw,
    _algorithm: *const c_void,
    _workspace: *mut c_void,
    _bytes: usize,
    stream: Raw,
) -> Result {
    HANDLES.get(handle)?;
    let stream = stream::get(stream)?;
    let addresses = [a.addr(), b.addr(), c.addr(), d.addr()].map(|address| address as u64);
    let (product, kind, pointers) = describe(operation, [a_layout, b_layout, c_layout, d_layout], addresses)?;
    let on_device = match pointers {
        0 => false,
        1 => true,
        _ => return Err(Error::new(Code::NOT_SUPPORTED, "vectors for α")),
    };
    let matrices = [Some(product.a), Some(product.b), Some(product.d), product.epilogue.bias];
    matrices.iter().flatten().try_for_each(Matrix::aligned)?;
    // SAFETY: the caller's promise.
    let (alpha, beta) = unsafe { (scale(alpha, kind, on_device)?, scale(beta, kind, on_device)?) };
    let checks = stream.context.device.checks;
    stream.submit(Arc::new(Product { alpha, beta, checks, ..product }))
}
