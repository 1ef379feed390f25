// A program of a system with small stacks: INT8 and FP16 layers run in threads of 64 KiB, and say what the same layer
// says in the main thread. Exit code 0 if so.
#include <octile/linear.h>
#include <octile/parallel.h>
#include <pthread.h>

#include <cstdio>
#include <random>
#include <vector>

namespace {

constexpr int kM = 37, kK = 512, kN = 384;

struct Run {
    const octile::Linear* linear;
    const std::vector<float>* x;
    std::vector<float> y = std::vector<float>(std::size_t{kM} * kN);
    bool ok = false;
};

void* run(void* argument) {
    Run& run = *static_cast<Run*>(argument);
    octile::Workspace workspace;
    run.ok = run.linear
                 ->run({run.x->data(), octile::DataType::kF32, kM, kK, kK},
                       {run.y.data(), octile::DataType::kF32, kM, kN, kN}, workspace)
                 .ok();
    return nullptr;
}

bool run_in_small_thread(Run& what) {
    pthread_attr_t attributes;
    pthread_t thread;
    return pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 64 << 10) == 0 &&
           pthread_create(&thread, &attributes, run, &what) == 0 && pthread_join(thread, nullptr) == 0;
}

int fail(const char* what) {
    std::printf("failed: %s\n", what);
    return 1;
}

}  // namespace

int main() {
    octile::set_threads(2);
    std::vector<float> weights(std::size_t{kN} * kK), x(std::size_t{kM} * kK);
    std::minstd_rand random;  // the same numbers everywhere
    for (std::vector<float>* values : {&weights, &x})
        for (float& value : *values)
            value = static_cast<float>(random() % 2001) / 1000 - 1;
    for (const auto precision : {octile::Precision::kInt8, octile::Precision::kFp16}) {
        const auto linear = octile::Linear::pack({weights.data(), octile::DataType::kF32, kN, kK, kK}, {},
                                                 {.precision = precision}, octile::supported_isas());
        if (!linear.ok()) return fail(linear.status().message().c_str());
        Run here{.linear = &linear.value(), .x = &x}, there{.linear = &linear.value(), .x = &x};
        run(&here);
        if (!run_in_small_thread(there)) return fail("a thread of 64 KiB");
        if (!here.ok || !there.ok) return fail("run()");
        if (here.y != there.y) return fail("expected the same bits in a small thread, found others");
        double error = 0, size = 0;
        for (int m = 0; m < kM; m++) {
            for (int n = 0; n < kN; n++) {
                double exact = 0;
                for (int k = 0; k < kK; k++)
                    exact += static_cast<double>(x[std::size_t(m) * kK + std::size_t(k)]) *
                             static_cast<double>(weights[std::size_t(n) * kK + std::size_t(k)]);
                const double off = static_cast<double>(here.y[std::size_t(m) * kN + std::size_t(n)]) - exact;
                error += off * off;
                size += exact * exact;
            }
        }
        // Of even random numbers in 8 bits on both sides the noise is more than 40 dB below.
        if (!(error < size * 1e-3)) return fail("expected 30 dB at least");
    }
    std::puts("small stacks: passed");
}
