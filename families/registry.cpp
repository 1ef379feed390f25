#include <algorithm>

#include "families/family.h"

namespace octile {

Words operator+(Words left, const Words& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

const std::vector<const Family*>& all_families() {
    static const std::vector<const Family*> families = [] {
        std::vector<const Family*> list;
        for (const Families& (*const file)() :
             {bert_families, text_encoder_families, albert_families, nomic_families, modernbert_families,
              llama_families, decoder_families, gpt_families, vit_families, dinov2_families, beit_families,
              swin_families, clip_families, whisper_families, wav2vec2_families, t5_families, bart_families,
              timm_families})
            for (const Family& family : file())
                list.push_back(&family);
        return list;
    }();
    return families;
}

const Family* family_of(std::string_view model_type) {
    for (const Family* family : all_families())
        if (std::find(family->model_types.begin(), family->model_types.end(), model_type) != family->model_types.end())
            return family;
    return nullptr;
}

}  // namespace octile
