// Arrays of other libraries as matrices: numpy's, torch's, and whatever speaks DLPack or the buffer protocol.
//
// Rows are an array's last dimension; all others together count them. Nothing is copied where the rows are contiguous
// and lie at one distance from each other; else a copy is made, which lives as long as the Array.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
// Everywhere or nowhere: the same cast would be two.
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/linear.h"
#include "octile/types.h"

namespace octile::python {

// What an element may be. Indices are not the library's: it takes int32.
enum class Element { kF32, kF16, kBF16, kI8, kU8, kI32, kI64, kOther };

// "float32", as numpy and torch call it.
std::string_view name_of(Element element);
std::size_t size_of(Element element);
// Of an element that the library knows.
DataType data_type(Element element);

// Element types of activations and weights.
inline constexpr Element kFloats[] = {Element::kF32, Element::kF16, Element::kBF16};

class Array {
  public:
    // TypeError, beginning with `name`, for what is no array, is not in the CPU's memory, or has other elements than
    // `expected`.
    static Array read(nanobind::handle object, std::string_view name, std::span<const Element> expected);

    nanobind::handle source() const { return source_; }
    Element element() const { return element_; }
    const std::vector<std::int64_t>& shape() const { return shape_; }
    // "[2, 768]"
    std::string shape_text() const;

    // Elements one behind the other, copied unless they are.
    const void* dense();
    std::int64_t size() const;

    // Of at least one dimension. Rows of no columns are none.
    MatrixView matrix();

  private:
    bool strides_of_rows(std::int64_t& row_stride) const;
    void copy();

    nanobind::object source_;
    nanobind::ndarray<nanobind::ro> memory_;
    Element element_ = Element::kOther;
    std::vector<std::int64_t> shape_, strides_;  // in elements
    const std::byte* data_ = nullptr;
    std::unique_ptr<std::byte[]> copy_;
};

// f32 values [n] for a bias or scale: of f32 as they are, of f16 and bf16 converted.
std::vector<float> float_vector(nanobind::handle object, std::string_view name);

// What a result is like: whose array its input was, and of which type.
struct Like {
    Like() = default;
    explicit Like(const Array& array);

    bool torch = false;
    Element element = Element::kF32;
    nanobind::object bfloat16 = {};  // the input's dtype, where it is numpy's for bfloat16
};

// An array that a result is written to: [leading..., n], numpy's, or torch's where the input is a tensor of torch.
struct Output {
    nanobind::object object;
    nanobind::ndarray<> memory;
    MutableMatrixView view;
};
Output make_output(const Like& like, std::span<const std::int64_t> leading, std::int64_t n, Element element);
// The caller's: TypeError unless it can be written to, ArgumentError unless it has this shape and contiguous rows.
Output read_output(nanobind::handle object, std::span<const std::int64_t> leading, std::int64_t n,
                   std::span<const Element> expected);

// What a user calls an element type: "float16", numpy.float16, numpy.dtype("float16"), torch.float16.
Element element_of(nanobind::handle dtype);

// A parameter of torch as plain numbers: whatever packs it copies it. Other objects as they are.
nanobind::object without_gradient(nanobind::handle object);

// Whether any byte of one is one of the other.
bool overlap(const MatrixView& a, const MutableMatrixView& b);

}  // namespace octile::python
