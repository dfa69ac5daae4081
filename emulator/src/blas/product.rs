//! A product of matrices, with what follows it, as a stream does it.

use super::status::unsupported;
use crate::driver::device;
use crate::driver::error::{Code, Error, Result, invalid};
use crate::driver::memory::text_of;
use crate::driver::timeline::Work;
use half::{bf16, f16};

/// The type of an element: a `cudaDataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Type {
    F16,
    BF16,
    F32,
    F64,
}

impl Type {
    /// The type with this number.
    ///
    /// # Errors
    /// Complex numbers and integers.
    pub fn of(number: u32) -> Result<Type> {
        Ok(match number {
            0 => Type::F32,
            1 => Type::F64,
            2 => Type::F16,
            14 => Type::BF16,
            _ => return unsupported(format!("elements of the cudaDataType {number}: expected f16, bf16, f32 or f64")),
        })
    }

    /// Its bytes.
    pub fn bytes(self) -> usize {
        match self {
            Type::F16 | Type::BF16 => 2,
            Type::F32 => 4,
            Type::F64 => 8,
        }
    }

    /// The number that some bytes are.
    pub fn read(self, b: &[u8]) -> f64 {
        match self {
            Type::F16 => f16::from_le_bytes([b[0], b[1]]).to_f64(),
            Type::BF16 => bf16::from_le_bytes([b[0], b[1]]).to_f64(),
            Type::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into(),
            Type::F64 => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
        }
    }

    /// Puts the nearest number of the type behind `to`.
    fn write(self, x: f64, to: &mut Vec<u8>) {
        match self {
            // A sum in f32 is rounded from there, not from the f64 that holds it exactly.
            Type::F16 => to.extend(f16::from_f64(x).to_le_bytes()),
            Type::BF16 => to.extend(bf16::from_f64(x).to_le_bytes()),
            Type::F32 => to.extend((x as f32).to_le_bytes()),
            Type::F64 => to.extend(x.to_le_bytes()),
        }
    }
}

/// How factors are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compute {
    /// In f32.
    F32,
    /// In f32, from factors rounded to TF32.
    TF32,
    /// In f32, from factors rounded to f16.
    FromF16,
    /// In f32, from factors rounded to bf16.
    FromBF16,
    /// In f64.
    F64,
}

impl Compute {
    /// The way with this `cublasComputeType_t`, and the type of α and β.
    ///
    /// # Errors
    /// Integers.
    pub fn of(number: u32) -> Result<(Compute, Type)> {
        Ok(match number {
            64 | 65 => (Compute::F32, Type::F16),
            68 | 69 => (Compute::F32, Type::F32),
            74 => (Compute::FromF16, Type::F32),
            75 => (Compute::FromBF16, Type::F32),
            77 => (Compute::TF32, Type::F32),
            70 | 71 => (Compute::F64, Type::F64),
            _ => return unsupported(format!("the cublasComputeType {number}")),
        })
    }

    fn round(self, x: f32) -> f32 {
        match self {
            Compute::TF32 if x.is_finite() => f32::from_bits(x.to_bits().wrapping_add(0x1000) & !0x1fff),
            Compute::FromF16 => f16::from_f32(x).to_f32(),
            Compute::FromBF16 => bf16::from_f32(x).to_f32(),
            _ => x,
        }
    }
}

/// Where α or β is.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// The number, read at the call.
    Value(f64),
    /// On the device.
    Device(u64, Type),
}

/// A matrix on the device, once for each item of the batch.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// What errors call it.
    pub name: &'static str,
    /// The first element.
    pub address: u64,
    /// The type of its elements.
    pub kind: Type,
    /// Rows and columns as the product sees it.
    pub size: [usize; 2],
    /// Elements from a row to the next, and from a column to the next.
    pub strides: [usize; 2],
    /// Elements from an item of the batch to the next.
    pub item: i64,
}

/// What follows a product.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue {
    /// Added to each column: as long as there are rows.
    pub bias: Option<Matrix>,
    /// max(x, 0), and 0 for NaN.
    pub relu: bool,
    /// x · Φ(x), by tanh.
    pub gelu: bool,
    /// What the activation was given: a bit for each x > 0 with ReLU, the numbers with GELU.
    pub aux: Option<Matrix>,
}

/// `d = activation(α · a · b + β · c + bias)`.
#[derive(Clone, Debug)]
pub struct Product {
    /// The function that was called.
    pub name: &'static str,
    /// (m, k), (k, n), (m, n), (m, n).
    pub a: Matrix,
    pub b: Matrix,
    pub c: Matrix,
    pub d: Matrix,
    /// α and β.
    pub alpha: Scale,
    pub beta: Scale,
    /// How.
    pub compute: Compute,
    /// What follows.
    pub epilogue: Epilogue,
    /// How many items.
    pub batch: usize,
    /// Whether factors that nothing wrote are errors.
    pub checks: bool,
}

impl Matrix {
    /// Its item `item` as dense rows.
    ///
    /// # Errors
    /// What lies outside its allocation, or was never written.
    pub fn gather(&self, item: usize, call: &str, checks: bool) -> Result<Vec<f64>> {
        let [rows, columns] = self.size;
        let mut values = vec![0.0; rows * columns];
        // Along the way in which elements stand side by side.
        let along_rows = self.strides[0] <= self.strides[1];
        let (lines, length) = if along_rows { (columns, rows) } else { (rows, columns) };
        let [line_stride, stride] = if along_rows { [self.strides[1], self.strides[0]] } else { self.strides };
        let size = self.kind.bytes();
        let mut bytes = vec![0; span(length, stride) * size];
        for line in 0..lines {
            let address = self.start(item).wrapping_add((line * line_stride * size) as u64);
            self.load(address, &mut bytes, stride, call, checks)?;
            for i in 0..length {
                let place = if along_rows { i * columns + line } else { line * columns + i };
                values[place] = self.kind.read(&bytes[i * stride * size..]);
            }
        }
        Ok(values)
    }

    fn load(&self, address: u64, bytes: &mut [u8], stride: usize, call: &str, checks: bool) -> Result {
        let (allocation, offset) = device::find(address, bytes.len()).map_err(|p| self.fault(call, text_of(p)))?;
        allocation.read(offset, bytes);
        let size = self.kind.bytes();
        // Between elements that are apart there may be anything.
        let pieces = if stride == 1 { bytes.len() } else { size };
        if checks && pieces > 0 {
            for start in (0..bytes.len()).step_by(stride.max(1) * size).take(if stride == 1 { 1 } else { usize::MAX }) {
                if let Some(at) = allocation.first_unwritten(offset + start, pieces) {
                    let text = format!(
                        "read of memory that was never written in `{call}`: {:#x} in the matrix {}",
                        allocation.base + at as u64,
                        self.name
                    );
                    return Err(Error::new(Code::LAUNCH_FAILED, text));
                }
            }
        }
        Ok(())
    }

    /// Writes the item `item` from dense rows.
    ///
    /// # Errors
    /// What lies outside its allocation.
    pub fn scatter(&self, item: usize, values: &[f64], call: &str) -> Result {
        let [rows, columns] = self.size;
        let along_rows = self.strides[0] <= self.strides[1];
        let (lines, length) = if along_rows { (columns, rows) } else { (rows, columns) };
        let [line_stride, stride] = if along_rows { [self.strides[1], self.strides[0]] } else { self.strides };
        let size = self.kind.bytes();
        let mut bytes = Vec::with_capacity(length * size);
        for line in 0..lines {
            bytes.clear();
            for i in 0..length {
                self.kind.write(values[if along_rows { i * columns + line } else { line * columns + i }], &mut bytes);
            }
            let address = self.start(item).wrapping_add((line * line_stride * size) as u64);
            let found = device::find(address, span(length, stride) * size);
            let (allocation, offset) = found.map_err(|p| self.fault(call, text_of(p)))?;
            if stride == 1 {
                allocation.write(offset, &bytes);
            } else {
                bytes.chunks(size).enumerate().for_each(|(i, b)| allocation.write(offset + i * stride * size, b));
            }
        }
        Ok(())
    }

    fn start(&self, item: usize) -> u64 {
        self.address.wrapping_add_signed(item as i64 * self.item * self.kind.bytes() as i64)
    }

    fn fault(&self, call: &str, text: String) -> Error {
        Error::new(Code::ILLEGAL_ADDRESS, format!("illegal address in `{call}`, in the matrix {}: {text}", self.name))
    }

    /// Whether its address is a multiple of its elements' size.
    ///
    /// # Errors
    /// `CUBLAS_STATUS_INVALID_VALUE` where it is not.
    pub fn aligned(&self) -> Result {
        if self.address.is_multiple_of(self.kind.bytes() as u64) {
            return Ok(());
        }
        invalid(format!("the matrix {} at {:#x}, which is no multiple of its elements' size", self.name, self.address))
    }
}

/// Elements from the first to behind the last of `length` that are `stride` apart.
fn span(length: usize, stride: usize) -> usize {
    if length == 0 { 0 } else { (length - 1) * stride + 1 }
}

impl Scale {
    /// The number.
    ///
    /// # Errors
    /// As [`Matrix::gather`].
    pub fn get(self, call: &str) -> Result<f64> {
        let (address, kind) = match self {
            Scale::Value(value) => return Ok(value),
            Scale::Device(address, kind) => (address, kind),
        };
        let scalar = Matrix { name: "α or β", address, kind, size: [1, 1], strides: [1, 1], item: 0 };
        Ok(scalar.gather(0, call, true)?[0])
    }
}

impl Work for Product {
    fn run(&self) -> Result {
        let (alpha, beta) = (self.alpha.get(self.name)?, self.beta.get(self.name)?);
        for item in 0..self.batch {
            let mut out = self.multiply(item, alpha)?;
            if beta != 0.0 {
                let c = self.c.gather(item, self.name, self.checks)?;
                out.iter_mut().zip(c).for_each(|(x, c)| *x += beta * c);
            }
            self.finish(item, &mut out)?;
            self.d.scatter(item, &out, self.name)?;
        }
        Ok(())
    }

    /// A kernel, as it is in a graph of cuBLAS's own making.
    fn kind(&self) -> u32 {
        0
    }
}

impl Product {
    fn multiply(&self, item: usize, alpha: f64) -> Result<Vec<f64>> {
        let ([m, k], n) = (self.a.size, self.b.size[1]);
        if alpha == 0.0 || k == 0 {
            return Ok(vec![0.0; m * n]);
        }
        let a = self.a.gather(item, self.name, self.checks)?;
        let b = self.b.gather(item, self.name, self.checks)?;
        let [ki, ni] = [k as isize, n as isize];
        if self.compute == Compute::F64 {
            let mut out = vec![0.0; m * n];
            // SAFETY: the three are dense rows of (m, k), (k, n) and (m, n).
            unsafe {
                matrixmultiply::dgemm(
                    m,
                    k,
                    n,
                    alpha,
                    a.as_ptr(),
                    ki,
                    1,
                    b.as_ptr(),
                    ni,
                    1,
                    0.0,
                    out.as_mut_ptr(),
                    ni,
                    1,
                );
            }
            return Ok(out);
        }
        let single = |values: Vec<f64>| -> Vec<f32> { values.iter().map(|&x| self.compute.round(x as f32)).collect() };
        let (a, b, mut out) = (single(a), single(b), vec![0.0f32; m * n]);
        // SAFETY: as above.
        unsafe {
            matrixmultiply::sgemm(m, k, n, 1.0, a.as_ptr(), ki, 1, b.as_ptr(), ni, 1, 0.0, out.as_mut_ptr(), ni, 1);
        }
        Ok(out.into_iter().map(|x| f64::from(x * alpha as f32)).collect())
    }

    fn finish(&self, item: usize, out: &mut [f64]) -> Result {
        let Epilogue { bias, relu, gelu, aux } = &self.epilogue;
        let single = self.compute != Compute::F64;
        let round = |x: f64| if single { f64::from(x as f32) } else { x };
        let columns = self.d.size[1];
        if let Some(bias) = bias {
            let bias = bias.gather(item, self.name, self.checks)?;
            out.chunks_mut(columns)
                .zip(bias)
                .for_each(|(row, b)| row.iter_mut().for_each(|x| *x = round(round(*x) + b)));
        }
        if let Some(aux) = aux.as_ref().filter(|_| *gelu) {
            aux.scatter(item, out, self.name)?;
        } else if let Some(aux) = aux {
            self.mask(item, aux, out)?;
        }
        for x in out.iter_mut() {
            *x = round(*x);
            if *relu {
                // NaN becomes 0, as a card's cuBLASLt 13.1 has it.
                *x = x.max(0.0);
            } else if *gelu {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (*x + 0.044_715 * x.powi(3));
                *x = round(0.5 * *x * (1.0 + inner.tanh()));
            }
        }
        Ok(())
    }

    /// A bit for each x > 0, columns of whole bytes one behind the other; the strides of `aux` are in bits.
    fn mask(&self, item: usize, aux: &Matrix, out: &[f64]) -> Result {
        let [rows, columns] = self.d.size;
        for column in 0..columns {
            let mut bits = vec![0u8; rows.div_ceil(8)];
            (0..rows).filter(|&row| out[row * columns + column] > 0.0).for_each(|row| bits[row / 8] |= 1 << (row % 8));
            let first = item as i64 * aux.item + (column * aux.strides[1]) as i64;
            let address = aux.address.wrapping_add_signed(first / 8);
            let found = device::find(address, bits.len());
            let (allocation, offset) = found.map_err(|p| aux.fault(self.name, text_of(p)))?;
            allocation.write(offset, &bits);
        }
        Ok(())
    }
}
