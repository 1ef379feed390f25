// An OpenMP program as busy.cpp's neighbour: as many threads as processors, short parallel loops one behind the other,
// between which its threads spin.
#include <cmath>
#include <vector>

int main() {
    std::vector<double> values(1 << 14, 1.0);
    for (double turn = 1;; turn++) {
#pragma omp parallel for
        for (double& value : values)
            value = std::sqrt(value + turn);
    }
}
