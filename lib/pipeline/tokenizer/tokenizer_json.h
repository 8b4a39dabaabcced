#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/tokenizer/settings.h"

namespace bantam {

// tokenizer.json for a checkpoint that has none, from its vocabulary files, as transformers' converters build
// it. settings.class_info must be known and of the model that the function names. Keys, their order, layout
// and escapes are the tokenizers library's, so that the text equals the file that transformers saves, byte
// for byte. Errors name the file that is wrong; `notes` receives what the user should know.

// vocab.txt: a word per line, whose id is the line's number; a word that comes twice has its last line.
// Wu et al. 2016, arXiv:1609.08144; the text is cut as in Devlin et al. 2018, arXiv:1810.04805.
std::string wordpiece_tokenizer_json(const std::filesystem::path& vocabulary,
                                     const TokenizerSettings& settings, std::vector<std::string>& notes);

// vocab.json (ids by word) and merges.txt (a pair per line, most frequent first): byte-level BPE.
// Sennrich et al. 2015, arXiv:1508.07909; bytes as characters: Radford et al. 2019 (GPT-2).
std::string byte_level_bpe_tokenizer_json(const std::filesystem::path& vocabulary,
                                          const std::filesystem::path& merges,
                                          const TokenizerSettings& settings, std::vector<std::string>& notes);

// A sentencepiece file of XLM-RoBERTa or ALBERT. Kudo 2018, arXiv:1804.10959. Empty when the file holds
// another kind of model than unigram.
std::string unigram_tokenizer_json(const std::filesystem::path& path, const TokenizerSettings& settings,
                                   std::vector<std::string>& notes);

}  // namespace bantam
