// What the opaque handles of the C API hold.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "octile/c/session.h"
#include "octile/norm.h"
#include "octile/packed_model.h"
#include "octile/plan.h"
#include "octile/session.h"
#include "session/graph_shapes.h"

struct octile_linear {
    std::shared_ptr<const octile::Linear> value;  // its own, or one of a model's parameters, which it keeps
};

struct octile_workspace {
    octile::Workspace value;
};

struct octile_packed_rows {
    octile::PackedRows value;
};

struct octile_norm {
    octile::Norm value;
};

struct octile_plan {
    octile::Plan value;
    std::vector<std::string> notes;
};

struct octile_model {
    octile::PackedModel value;
    std::vector<std::string> notes;
    std::vector<const std::string*> linear_names;
};

struct octile_session {
    octile::Session value;
    octile_session_options options;
    octile::GraphValues values;  // what inputs and nodes yield
    // Of a run: room for all that there are.
    std::vector<octile::SessionInput> inputs;
    std::vector<octile::SessionOutput> outputs;
};
