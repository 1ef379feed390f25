#include "rounding.h"

namespace octile::generators {

using namespace Halide;

Expr round_to(Type type, const Expr& v) {
    if (type != BFloat(16)) return cast(type, v);
    Expr bits = reinterpret<uint32_t>(v);
    Expr rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    Expr is_nan = (bits & Expr(0x7fffffffu)) > Expr(0x7f800000u);
    return reinterpret(type, cast<uint16_t>(select(is_nan, (bits >> 16) | 0x40, rounded)));
}

}  // namespace octile::generators
