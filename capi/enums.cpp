#include "capi/enums.h"

namespace {

// Names are literals, which end with a NUL.
template <typename Enum>
const char* name_or_null(std::int32_t value) noexcept {
    return octile::capi::is_value<Enum>(value) ? name_of(static_cast<Enum>(value)).data() : nullptr;
}

}  // namespace

const char* octile_status_name(octile_status status) {
    return name_or_null<octile::StatusCode>(status);
}
const char* octile_data_type_name(octile_data_type type) {
    return name_or_null<octile::DataType>(type);
}
const char* octile_precision_name(octile_precision precision) {
    return name_or_null<octile::Precision>(precision);
}
const char* octile_activation_name(octile_activation activation) {
    return name_or_null<octile::Activation>(activation);
}
const char* octile_isa_name(octile_isa isa) {
    return name_or_null<octile::Isa>(isa);
}
const char* octile_thread_source_name(octile_thread_source source) {
    return name_or_null<octile::ThreadSource>(source);
}
const char* octile_policy_name(octile_policy policy) {
    return name_or_null<octile::Policy>(policy);
}
const char* octile_op_name(octile_op op) {
    return name_or_null<octile::Op>(op);
}
const char* octile_reason_name(octile_reason reason) {
    return name_or_null<octile::Reason>(reason);
}
const char* octile_input_panel_name(octile_input_panel panel) {
    return name_or_null<octile::InputPanel>(panel);
}
