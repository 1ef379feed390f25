#include "base/json_builder.h"

namespace octile::internal {

void take_apart(nlohmann::json& document) noexcept {
    if (auto* const array = document.get_ptr<nlohmann::json::array_t*>()) {
        for (nlohmann::json& element : *array)
            take_apart(element);
        array->clear();
    } else if (auto* const object = document.get_ptr<nlohmann::json::object_t*>()) {
        for (auto& [name, element] : *object)
            take_apart(element);
        object->clear();
    }
}

nlohmann::json& JsonBuilder::place() {
    if (open_.empty()) return document_;
    if (open_.back()->is_object()) return *member_;
    return open_.back()->get_ref<json::array_t&>().emplace_back();
}

bool JsonBuilder::key(std::string& name) {
    member_ = &open_.back()->get_ref<json::object_t&>()[name];
    take_apart(*member_);
    return true;
}

bool JsonBuilder::open(json::value_t type) {
    json& container = place();
    container = json(type);
    open_.push_back(&container);
    return true;
}

bool JsonBuilder::close() {
    open_.pop_back();
    return true;
}

}  // namespace octile::internal
