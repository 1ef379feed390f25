#include "python/src/arrays.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

#include "python/src/errors.h"

namespace nb = nanobind;

namespace octile::python {
namespace {

struct ElementTraits {
    Element element;
    std::string_view name;
    nb::dlpack::dtype_code code;
    std::size_t bytes;
};

constexpr std::array<ElementTraits, 7> kElements = {{
    {Element::kF32, "float32", nb::dlpack::dtype_code::Float, 4},
    {Element::kF16, "float16", nb::dlpack::dtype_code::Float, 2},
    {Element::kBF16, "bfloat16", nb::dlpack::dtype_code::Bfloat, 2},
    {Element::kI8, "int8", nb::dlpack::dtype_code::Int, 1},
    {Element::kU8, "uint8", nb::dlpack::dtype_code::UInt, 1},
    {Element::kI32, "int32", nb::dlpack::dtype_code::Int, 4},
    {Element::kI64, "int64", nb::dlpack::dtype_code::Int, 8},
}};

const ElementTraits& traits_of(Element element) {
    return *std::find_if(kElements.begin(), kElements.end(),
                         [&](const ElementTraits& traits) { return traits.element == element; });
}

Element element_named(std::string_view name) {
    const auto found = std::find_if(kElements.begin(), kElements.end(),
                                    [&](const ElementTraits& traits) { return traits.name == name; });
    return found == kElements.end() ? Element::kOther : found->element;
}

Element element_of_dlpack(nb::dlpack::dtype type) {
    for (const ElementTraits& traits : kElements)
        if (type.lanes == 1 && type.code == static_cast<std::uint8_t>(traits.code) && type.bits == 8 * traits.bytes)
            return traits.element;
    return Element::kOther;
}

std::string text_of(nb::handle object) {
    return nb::cast<std::string>(nb::str(object));
}

// "numpy.ndarray"
std::string class_name(nb::handle object) {
    const nb::object type = nb::borrow(object.type());
    const std::string module = text_of(type.attr("__module__")), name = text_of(type.attr("__qualname__"));
    return module == "builtins" ? name : fmt::format("{}.{}", module, name);
}

// The same, with the type of its elements where it says it.
std::string described(nb::handle object) {
    if (!nb::hasattr(object, "dtype")) return class_name(object);
    return fmt::format("{} of {}", class_name(object), text_of(object.attr("dtype")));
}

nb::object numpy_function(const char* name) {
    return nb::module_::import_("numpy").attr(name);
}

bool is_torch(nb::handle object) {
    static const PyObject* const numpy_array = numpy_function("ndarray").release().ptr();
    if (object.type().ptr() == numpy_array) return false;
    const std::string name = class_name(object);
    return name == "torch" || name.starts_with("torch.");
}

// numpy has no bfloat16 of its own; ml_dtypes' is told by its name, and read as the integers that it is stored in.
bool is_numpy_bfloat16(nb::handle object) {
    if (!nb::hasattr(object, "dtype") || !nb::hasattr(object, "view")) return false;
    const nb::object dtype = object.attr("dtype");
    return nb::hasattr(dtype, "name") && text_of(dtype.attr("name")) == "bfloat16";
}

std::string names_of(std::span<const Element> elements) {
    std::string names;
    for (std::size_t i = 0; i < elements.size(); i++)
        names += fmt::format("{}{}", i == 0 ? "" : i + 1 == elements.size() ? " or " : ", ", name_of(elements[i]));
    return names;
}

bool requires_grad(nb::handle object) {
    return nb::hasattr(object, "requires_grad") && nb::cast<bool>(nb::bool_(object.attr("requires_grad")));
}

[[noreturn]] void refuse_array(nb::handle object, std::string_view name, std::span<const Element> expected,
                               std::string_view kind) {
    if (requires_grad(object)) {
        refuse_type(fmt::format("{0}: requires grad, and Octile has no gradients: pass {0}.detach()", name));
    }
    refuse_type(fmt::format("{}: expected {} of {}, found {}", name, kind, names_of(expected), described(object)));
}

// Memory as nanobind imports it, and the type of its elements.
template <typename Memory>
Element import(nb::handle object, std::string_view name, std::span<const Element> expected, std::string_view kind,
               Memory& memory) {
    Element element = Element::kOther;
    if (nb::try_cast<Memory>(object, memory, false)) {
        element = element_of_dlpack(memory.dtype());
    } else if (is_numpy_bfloat16(object) && nb::try_cast<Memory>(object.attr("view")("uint16"), memory, false)) {
        element = Element::kBF16;
    } else {
        refuse_array(object, name, expected, kind);
    }
    if (memory.device_type() != nb::device::cpu::value)
        refuse_type(
            fmt::format("{}: expected memory of the CPU, found another device's ({})", name, described(object)));
    if (std::find(expected.begin(), expected.end(), element) == expected.end())
        refuse_array(object, name, expected, kind);
    return element;
}

template <typename Memory>
std::vector<std::int64_t> extents(const Memory& memory) {
    std::vector<std::int64_t> shape(memory.ndim());
    for (std::size_t i = 0; i < shape.size(); i++)
        shape[i] = static_cast<std::int64_t>(memory.shape(i));
    return shape;
}

template <typename Memory>
std::vector<std::int64_t> strides(const Memory& memory) {
    std::vector<std::int64_t> strides(memory.ndim());
    for (std::size_t i = 0; i < strides.size(); i++)
        strides[i] = memory.stride(i);
    return strides;
}

std::int64_t product(std::span<const std::int64_t> extents) {
    return std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, std::multiplies<>());
}

std::string text_of(std::span<const std::int64_t> shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

// Whether rows [.., K] lie one stride apart and have contiguous columns; the stride. Dimensions of one element have
// strides that mean nothing.
bool find_row_stride(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
                     std::int64_t& row_stride) {
    const std::int64_t columns = shape.back();
    row_stride = columns;
    if (product(shape) == 0) return true;
    if (columns > 1 && strides.back() != 1) return false;
    bool first = true;
    std::int64_t next = 0;  // the stride that would continue the rows inside
    for (std::size_t i = shape.size() - 1; i-- > 0;) {
        if (shape[i] == 1) continue;
        if (first) {
            row_stride = next = strides[i];
            if (row_stride < columns) return false;
        } else if (strides[i] != next) {
            return false;
        }
        first = false;
        next *= shape[i];
    }
    return true;
}

bool is_aligned(const void* data, Element element) {
    return reinterpret_cast<std::uintptr_t>(data) % size_of(element) == 0;
}

nb::tuple tuple_of(std::span<const std::int64_t> leading, std::int64_t n) {
    nb::list list;
    for (const std::int64_t extent : leading)
        list.append(extent);
    list.append(n);
    return nb::tuple(list);
}

// What numpy calls the type of a result; that of the input where numpy has none.
nb::object numpy_dtype(const Like& like, Element element) {
    if (element != Element::kBF16) return nb::str(name_of(element).data(), name_of(element).size());
    return like.bfloat16.is_valid() ? like.bfloat16 : nb::module_::import_("ml_dtypes").attr("bfloat16");
}

MutableMatrixView view_of(const nb::ndarray<>& memory, Element element, std::span<const std::int64_t> leading,
                          std::int64_t n, std::int64_t row_stride) {
    return {memory.data(), data_type(element), product(leading), n, row_stride};
}

}  // namespace

std::string_view name_of(Element element) {
    return element == Element::kOther ? "another type" : traits_of(element).name;
}

std::size_t size_of(Element element) {
    return traits_of(element).bytes;
}

DataType data_type(Element element) {
    switch (element) {
        case Element::kF16:
            return DataType::kF16;
        case Element::kBF16:
            return DataType::kBF16;
        case Element::kI8:
            return DataType::kI8;
        default:
            return DataType::kF32;
    }
}

Array Array::read(nb::handle object, std::string_view name, std::span<const Element> expected) {
    Array array;
    array.source_ = nb::borrow(object);
    array.element_ = import(object, name, expected, "an array", array.memory_);
    array.shape_ = extents(array.memory_);
    array.strides_ = strides(array.memory_);
    array.data_ = static_cast<const std::byte*>(static_cast<const void*>(array.memory_.data()));
    return array;
}

std::string Array::shape_text() const {
    return text_of(shape_);
}

std::int64_t Array::size() const {
    return product(shape_);
}

bool Array::strides_of_rows(std::int64_t& row_stride) const {
    return find_row_stride(shape_, strides_, row_stride) && is_aligned(data_, element_);
}

void Array::copy() {
    const std::size_t bytes = size_of(element_), count = static_cast<std::size_t>(size());
    copy_ = std::make_unique<std::byte[]>(std::max<std::size_t>(count * bytes, 1));
    std::vector<std::int64_t> index(shape_.size(), 0);
    std::byte* to = copy_.get();
    for (std::size_t i = 0; i < count; i++, to += bytes) {
        std::int64_t offset = 0;
        for (std::size_t d = 0; d < index.size(); d++)
            offset += index[d] * strides_[d];
        std::memcpy(to, data_ + offset * static_cast<std::int64_t>(bytes), bytes);
        for (std::size_t d = index.size(); d-- > 0 && ++index[d] == shape_[d];)
            index[d] = 0;
    }
    data_ = copy_.get();
    std::int64_t stride = 1;
    for (std::size_t d = shape_.size(); d-- > 0; stride *= shape_[d])
        strides_[d] = stride;
}

const void* Array::dense() {
    std::int64_t row_stride = 0;
    const bool contiguous =
        shape_.empty() ? is_aligned(data_, element_) : strides_of_rows(row_stride) && row_stride == shape_.back();
    if (!contiguous) copy();
    return data_;
}

MatrixView Array::matrix() {
    std::int64_t row_stride = 0;
    if (!strides_of_rows(row_stride)) {
        copy();
        row_stride = shape_.back();
    }
    const std::span leading = std::span(shape_).first(shape_.size() - 1);
    return {data_, data_type(element_), product(leading), shape_.back(), row_stride};
}

std::vector<float> float_vector(nb::handle given, std::string_view name) {
    const nb::object object = without_gradient(given);
    Array array = Array::read(object, name, kFloats);
    if (array.shape().size() != 1)
        refuse(fmt::format("{}: expected one dimension, found the shape {}", name, array.shape_text()));
    std::vector<float> values(static_cast<std::size_t>(array.size()));
    const void* const from = array.dense();
    for (std::size_t i = 0; i < values.size(); i++) {
        if (array.element() == Element::kF32) {
            values[i] = static_cast<const float*>(from)[i];
        } else if (array.element() == Element::kBF16) {
            values[i] = std::bit_cast<float>(std::uint32_t{static_cast<const std::uint16_t*>(from)[i]} << 16);
        }
    }
    if (array.element() == Element::kF16) {
        const nb::object wide = numpy_function("asarray")(object, nb::arg("dtype") = "float32");
        Array converted = Array::read(wide, name, kFloats);
        std::memcpy(values.data(), converted.dense(), values.size() * sizeof(float));
    }
    return values;
}

Like::Like(const Array& array) : torch(is_torch(array.source())), element(array.element()) {
    if (!torch && element == Element::kBF16 && is_numpy_bfloat16(array.source()))
        bfloat16 = array.source().attr("dtype");
}

Output make_output(const Like& like, std::span<const std::int64_t> leading, std::int64_t n, Element element) {
    Output output;
    const nb::tuple shape = tuple_of(leading, n);
    if (like.torch) {
        const nb::object torch = nb::module_::import_("torch");
        output.object =
            torch.attr("empty")(shape, nb::arg("dtype") = torch.attr(std::string(name_of(element)).c_str()));
        output.memory = nb::cast<nb::ndarray<>>(output.object);
    } else {
        const nb::object dtype = numpy_dtype(like, element);
        output.object = numpy_function("empty")(shape, dtype);
        output.memory =
            nb::cast<nb::ndarray<>>(element == Element::kBF16 ? output.object.attr("view")("uint16") : output.object);
    }
    output.view = view_of(output.memory, element, leading, n, n);
    return output;
}

Output read_output(nb::handle object, std::span<const std::int64_t> leading, std::int64_t n,
                   std::span<const Element> expected) {
    Output output;
    output.object = nb::borrow(object);
    const Element element = import(object, "out", expected, "an array that can be written to", output.memory);
    const std::vector<std::int64_t> shape = extents(output.memory);
    std::vector<std::int64_t> wanted(leading.begin(), leading.end());
    wanted.push_back(n);
    if (shape != wanted) refuse(fmt::format("out: expected the shape {}, found {}", text_of(wanted), text_of(shape)));
    std::int64_t row_stride = 0;
    if (!find_row_stride(shape, strides(output.memory), row_stride) || !is_aligned(output.memory.data(), element))
        refuse("out: expected contiguous rows, one stride apart, found other strides");
    output.view = view_of(output.memory, element, leading, n, row_stride);
    return output;
}

Element element_of(nb::handle dtype) {
    std::string name;
    if (nb::isinstance<nb::str>(dtype)) {
        name = nb::cast<std::string>(dtype);
    } else if (class_name(dtype) == "torch.dtype") {
        name = text_of(dtype).substr(std::string_view("torch.").size());
    } else {
        name = text_of(numpy_function("dtype")(dtype).attr("name"));
    }
    const Element element = element_named(name);
    constexpr Element kResults[] = {Element::kF32, Element::kF16, Element::kBF16, Element::kI8};
    if (std::find(std::begin(kResults), std::end(kResults), element) == std::end(kResults))
        refuse_type(fmt::format("dtype: expected {}, found {}", names_of(kResults), name));
    return element;
}

nb::object without_gradient(nb::handle object) {
    return requires_grad(object) ? nb::object(object.attr("detach")()) : nb::borrow(object);
}

bool overlap(const MatrixView& a, const MutableMatrixView& b) {
    struct Bytes {
        std::uintptr_t first, width, stride, end;
    };
    const auto bytes_of = [](const auto& view) {
        const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(view.data), size = size_of(view.type);
        const std::uintptr_t width = size * static_cast<std::uintptr_t>(view.columns);
        const std::uintptr_t stride = view.rows > 1 ? size * static_cast<std::uintptr_t>(view.row_stride) : width;
        return Bytes{first, width, stride, first + stride * static_cast<std::uintptr_t>(view.rows - 1) + width};
    };
    if (a.rows == 0 || b.rows == 0) return false;
    const Bytes x = bytes_of(a), y = bytes_of(b);
    if (x.first >= y.end || y.first >= x.end) return false;
    if (x.stride != y.stride) return true;
    // Columns of one array lie side by side.
    const std::uintptr_t apart = (y.first - x.first) % x.stride;
    return apart < x.width || apart + y.width > x.stride;
}

}  // namespace octile::python
