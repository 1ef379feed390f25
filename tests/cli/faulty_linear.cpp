// A kernel that gets one element wrong, to see that the octile command finds it. The linker hands the command's calls
// of Linear::run() to this one (--wrap in CMakeLists.txt): it calls the real one, and then adds to the last element of
// the row that FAULTY_ROW names, where the matrix has such a row.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "octile/linear.h"

namespace octile {

// A member function takes its object as the first argument (Itanium C++ ABI).
Status real_run(const Linear* linear, const MatrixView& x, const MutableMatrixView& y, Workspace& workspace,
                const RunOptions& options) __asm__("__real_" OCTILE_LINEAR_RUN);
Status faulty_run(const Linear* linear, const MatrixView& x, const MutableMatrixView& y, Workspace& workspace,
                  const RunOptions& options) __asm__("__wrap_" OCTILE_LINEAR_RUN);

Status faulty_run(const Linear* linear, const MatrixView& x, const MutableMatrixView& y, Workspace& workspace,
                  const RunOptions& options) {
    Status status = real_run(linear, x, y, workspace, options);
    const char* variable = std::getenv("FAULTY_ROW");
    const std::int64_t row = variable ? std::strtoll(variable, nullptr, 10) : -1;
    if (status.ok() && y.type == DataType::kF32 && row >= 0 && row < y.rows) {
        float& element = static_cast<float*>(y.data)[row * y.row_stride + y.columns - 1];
        element += 1 + std::fabs(element);
    }
    return status;
}

}  // namespace octile
