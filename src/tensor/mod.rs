//! A value and where it came from: the tensor, the trait of the ops that make one, and the tape that records them.

mod apply;
mod arriving;
mod case;
mod op;
mod print;
mod tape;

pub(crate) use apply::record_shared;
pub use apply::{apply, apply_one};
pub(crate) use arriving::Arriving;
pub use case::{Case, FLOATS, Sample};
pub use op::{Backward, Gradients, Keeps, Meta, Metas, Op, Tensors};
pub(crate) use op::{given, require_one_dtype};
pub use tape::{GradientTape, no_grad};
pub(crate) use tape::{Node, Origin, Slot};

use crate::device::cpu::convert::Convert;
use crate::device::cuda::{CudaBlock, CudaDevice};
use crate::device::{Buffer, Device, Elements, Storage};
use crate::dtype::{DType, Element, as_bytes};
use crate::error::{Error, Result};
use crate::files::Array;
use crate::shape::{IntoShape, Shape};
use crate::with_dtype;

/// A dense, row-major, immutable array of numbers on a device, and where it came from on the tape.
///
/// A cheap handle: clones and reshaped tensors share the storage. Methods such as [`Tensor::matmul`] return a `Result`;
/// the operators `+ - * /` stand for the methods and panic with the same message.
#[derive(Clone)]
pub struct Tensor {
    shape: Shape,
    dtype: DType,
    origin: Option<Origin>,
    storage: Storage,
}

impl Tensor {
    /// A tensor with unspecified content.
    pub(crate) fn empty(device: &Device, shape: Shape, dtype: DType) -> Result<Tensor> {
        let storage = Storage::new(device, shape.size() * dtype.size())?;
        let mut tensor = Tensor { shape, dtype, origin: None, storage };
        if dtype == DType::Bool && device.is_cpu() {
            // A reused byte may be no bool, and a `&mut [bool]` must not see one.
            tensor.bytes_mut()?.fill(0);
        }
        Ok(tensor)
    }

    /// The elements of `data` as a tensor of this shape on the CPU.
    ///
    /// # Errors
    /// `data` has another number of elements than `shape`.
    pub fn from_slice<T: Element>(data: &[T], shape: impl IntoShape) -> Result<Tensor> {
        let shape = shape.into_shape()?;
        if data.len() != shape.size() {
            let message = format!("{} elements do not fill the shape {shape}", data.len());
            return Err(Error::shape("from_slice", message));
        }
        let mut tensor = Tensor::empty(&Device::Cpu, shape, T::DTYPE)?;
        tensor.data_mut::<T>()?.copy_from_slice(data);
        Ok(tensor)
    }

    /// What a file held, as a tensor on the CPU.
    ///
    /// # Errors
    /// A shape that no tensor has or that the bytes do not fill, or a bool that is neither 0 nor 1.
    pub fn from_array(array: &Array) -> Result<Tensor> {
        let shape = Shape::new(&array.shape)?;
        if array.dtype == DType::Bool {
            return Tensor::from_slice(&array.to_vec::<bool>()?, shape);
        }
        let mut tensor = Tensor::empty(&Device::Cpu, shape, array.dtype)?;
        let bytes = tensor.bytes_mut()?;
        if bytes.len() != array.bytes.len() {
            let message = format!("{} bytes do not fill the shape {shape} of {}", array.bytes.len(), array.dtype);
            return Err(Error::shape("from_array", message));
        }
        bytes.copy_from_slice(&array.bytes);
        Ok(tensor)
    }

    /// The values, for a file.
    pub fn to_array(&self) -> Result<Array> {
        let host = self.to_device(&Device::Cpu)?;
        Array::new(self.dtype, self.shape.to_vec(), host.bytes()?.to_vec())
    }

    /// One number as a tensor without axes on the CPU.
    pub fn scalar<T: Element>(value: T) -> Result<Tensor> {
        Tensor::from_slice(&[value], ())
    }

    /// A tensor of one value, converted to `dtype`.
    pub fn full(device: &Device, shape: impl IntoShape, dtype: DType, value: f64) -> Result<Tensor> {
        let mut tensor = Tensor::empty(device, shape.into_shape()?, dtype)?;
        let count = tensor.shape.size();
        with_dtype!(dtype, T => {
            let value = T::from_f64(value);
            match device {
                Device::Cpu => tensor.data_mut::<T>()?.fill(value),
                Device::Cuda(device) => device.fill(tensor.cuda_block()?, as_bytes(&[value]), count)?,
            }
        });
        Ok(tensor)
    }

    /// Host numbers on a CUDA card, for a kernel that reads a table; int64. See [`CudaDevice::constant`].
    pub(crate) fn constant(device: &CudaDevice, table: &[i64]) -> Result<Tensor> {
        let (shape, storage) = (Shape::new(&[table.len()])?, device.constant(table)?);
        Ok(Tensor { shape, dtype: DType::I64, origin: None, storage })
    }

    /// A tensor of zeros.
    pub fn zeros(device: &Device, shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        Tensor::full(device, shape, dtype, 0.0)
    }

    /// A tensor of ones.
    pub fn ones(device: &Device, shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        Tensor::full(device, shape, dtype, 1.0)
    }

    /// The extents of its axes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Shape and dtype together.
    pub fn meta(&self) -> Meta {
        Meta { shape: self.shape, dtype: self.dtype }
    }

    /// Where it lives.
    pub fn device(&self) -> Device {
        match &*self.storage {
            Buffer::Cpu(_) => Device::Cpu,
            Buffer::Cuda(block) => Device::Cuda(block.device().clone()),
        }
    }

    /// How many bytes its elements take.
    pub fn size_in_bytes(&self) -> usize {
        self.shape.size() * self.dtype.size()
    }

    /// The same values on `device`: this tensor where it is there already, else a copy, which the tape does not follow.
    ///
    /// # Errors
    /// A device that fails or whose memory is full.
    pub fn to_device(&self, device: &Device) -> Result<Tensor> {
        match (&*self.storage, device) {
            (Buffer::Cpu(_), Device::Cpu) => Ok(self.clone()),
            (Buffer::Cpu(_), Device::Cuda(to)) => {
                let copy = Tensor::empty(device, self.shape, self.dtype)?;
                to.copy_from_host(self.bytes()?, copy.cuda_block()?)?;
                Ok(copy)
            }
            (Buffer::Cuda(block), Device::Cpu) => {
                let mut copy = Tensor::empty(device, self.shape, self.dtype)?;
                block.device().copy_to_host(block, copy.bytes_mut()?)?;
                Ok(copy)
            }
            (Buffer::Cuda(block), Device::Cuda(to)) if block.device().ordinal() == to.ordinal() => Ok(self.clone()),
            (Buffer::Cuda(_), Device::Cuda(_)) => self.to_device(&Device::Cpu)?.to_device(device),
        }
    }

    /// A copy of its own, on the same device.
    pub fn copy(&self) -> Result<Tensor> {
        let mut copy = Tensor::empty(&self.device(), self.shape, self.dtype)?;
        match &*self.storage {
            Buffer::Cpu(_) => copy.bytes_mut()?.copy_from_slice(self.bytes()?),
            Buffer::Cuda(block) => block.device().copy(block, copy.cuda_block()?, self.size_in_bytes())?,
        }
        Ok(copy)
    }

    /// The same value, cut off from the tape.
    pub fn detach(&self) -> Tensor {
        Tensor { origin: None, ..self.clone() }
    }

    /// The elements, copied to the host.
    ///
    /// # Errors
    /// `T` is not the tensor's element type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        Ok(self.to_device(&Device::Cpu)?.data::<T>()?.to_vec())
    }

    /// The one element of a tensor that has one, converted to `f64` on the host.
    pub fn item(&self) -> Result<f64> {
        if self.shape.size() != 1 {
            return Err(Error::shape("item", format!("expected one element, got shape {}", self.shape)));
        }
        let host = self.to_device(&Device::Cpu)?;
        with_dtype!(self.dtype, T => Ok(host.data::<T>()?[0].to_f64()))
    }

    /// The elements, where they live on the CPU.
    ///
    /// # Errors
    /// The tensor is on another device, or `T` is not its element type.
    pub fn data<T: Element>(&self) -> Result<&[T]> {
        self.check_element::<T>()?;
        let bytes = self.bytes()?;
        // SAFETY: the storage holds initialised elements of this type (`check_element`; `Element` is sealed), aligned to
        // 64 bytes.
        Ok(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), self.shape.size()) })
    }

    /// The elements for writing: for the op that is making this tensor.
    pub(crate) fn data_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        self.check_element::<T>()?;
        let size = self.shape.size();
        let bytes = self.bytes_mut()?;
        // SAFETY: as in `data`, and `bytes_mut` made sure that nobody else reads them.
        Ok(unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<T>(), size) })
    }

    /// The elements' bytes, where they live on the CPU.
    pub(crate) fn bytes(&self) -> Result<&[u8]> {
        match &*self.storage {
            Buffer::Cpu(block) => Ok(&block.bytes()[..self.size_in_bytes()]),
            Buffer::Cuda(_) => {
                let message = format!("the elements lie on {}; copy them with to_vec or to_device", self.device());
                Err(Error::Device { op: "data".into(), message })
            }
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        let size = self.size_in_bytes();
        match self.storage.get_mut() {
            Some(Buffer::Cpu(block)) => Ok(&mut block.bytes_mut()[..size]),
            Some(Buffer::Cuda(_)) => Err(Error::Internal("the host cannot write device memory".into())),
            None => Err(Error::Internal("a shared tensor cannot be written".into())),
        }
    }

    /// The device memory, where it lives on a CUDA card.
    pub(crate) fn cuda_block(&self) -> Result<&CudaBlock> {
        (self as &dyn Elements).cuda_block()
    }

    fn check_element<T: Element>(&self) -> Result<()> {
        if T::DTYPE == self.dtype {
            return Ok(());
        }
        Err(Error::dtype("data", format!("the elements are {}, they were asked for as {}", self.dtype, T::DTYPE)))
    }

    /// Gives the tensor another value of the same shape and dtype. On a CUDA card it is written in place, so that a
    /// captured graph reads it where it was, unless others share it: theirs stay as they are.
    pub(crate) fn assign(&mut self, value: &Tensor) -> Result<()> {
        if value.meta() != self.meta() {
            return Err(Error::shape("assign", format!("{} cannot become {}", self.meta(), value.meta())));
        }
        if !self.device().is_cpu() {
            self.make_unique()?;
        }
        match (&*self.storage, &*value.storage) {
            (Buffer::Cuda(to), Buffer::Cuda(_)) => {
                let value = value.to_device(&self.device())?;
                to.device().copy(value.cuda_block()?, to, self.size_in_bytes())
            }
            (Buffer::Cuda(to), Buffer::Cpu(_)) => to.device().copy_from_host(value.bytes()?, to),
            _ => {
                *self = value.detach().to_device(&self.device())?;
                Ok(())
            }
        }
    }

    /// Whether no other tensor shares the storage.
    pub(crate) fn is_unique(&mut self) -> bool {
        self.storage.get_mut().is_some()
    }

    /// Makes this the only tensor that shares the storage, so that it may be written in place: a copy if need be.
    pub(crate) fn make_unique(&mut self) -> Result<()> {
        if !self.is_unique() {
            *self = self.copy()?;
        }
        Ok(())
    }

    /// The same elements under another shape of the same size; ops use it, users have `reshape`.
    pub(crate) fn with_shape(&self, shape: Shape) -> Tensor {
        debug_assert_eq!(shape.size(), self.shape.size());
        Tensor { shape, origin: None, ..self.clone() }
    }

    pub(crate) fn origin(&self) -> Option<Origin> {
        self.origin
    }

    pub(crate) fn set_origin(&mut self, origin: Option<Origin>) {
        self.origin = origin;
    }
}

impl Elements for Tensor {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn storage(&self) -> &Storage {
        &self.storage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_whose_bytes_do_not_fill_its_shape_is_an_error() {
        for dtype in [DType::F32, DType::Bool] {
            let array = Array { dtype, shape: vec![2, 3], bytes: vec![0; 20] };
            let text = Tensor::from_array(&array).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(text.contains("(2, 3)"), "{text}");
        }
    }

    #[test]
    fn the_tape_follows_a_tensor_that_stays_where_it_is() -> Result<()> {
        let tape = GradientTape::new();
        let x = tape.watch(&Tensor::scalar(3f32)?)?;
        let y = x.to_device(&Device::Cpu)?.square()?;
        assert_eq!(tape.gradient(&y, &[&x])?.remove(0).map(|g| g.item()).transpose()?, Some(6.0));
        Ok(())
    }
}
