// The chat template as Jinja text, for the files that other programs read. chat.hpp renders the same without Jinja.
// Also the tokenizer_config.json that goes with it.
#pragma once

#include <string>
#include <string_view>

#include "../io/json.hpp"
#include "tokenizer.hpp"

namespace medmo::inline MEDMO_ABI::text {

/// Qwen3-VL-Instruct's turns: system, user, assistant, tool; images and videos in content parts; tools; add_vision_id.
inline constexpr std::string_view chat_template =
    R"jinja({%- set seen = namespace(images=0, videos=0) -%}
{%- macro body(content, with_media) -%}
{%- if content is string -%}
{{- content -}}
{%- else -%}
{%- for part in content or [] -%}
{%- if with_media and (part.type == 'image' or 'image' in part or 'image_url' in part) -%}
{%- set seen.images = seen.images + 1 -%}
{{- ('Picture ' ~ seen.images ~ ': ' if add_vision_id else '') ~ '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif with_media and (part.type == 'video' or 'video' in part) -%}
{%- set seen.videos = seen.videos + 1 -%}
{{- ('Video ' ~ seen.videos ~ ': ' if add_vision_id else '') ~ '<|vision_start|><|video_pad|><|vision_end|>' -}}
{%- elif 'text' in part -%}
{{- part.text -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- set begins_with_system = messages[0].role == 'system' -%}
{%- if tools -%}
{{- '<|im_start|>system\n' -}}
{%- if begins_with_system -%}
{{- body(messages[0].content, false) ~ '\n\n' -}}
{%- endif -%}
{{- '# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>' -}}
{%- for tool in tools -%}
{{- '\n' ~ (tool | tojson) -}}
{%- endfor -%}
{{- '\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call><|im_end|>\n' -}}
{%- elif begins_with_system -%}
{{- '<|im_start|>system\n' ~ body(messages[0].content, false) ~ '<|im_end|>\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{- '<|im_start|>user\n' ~ body(message.content, true) ~ '<|im_end|>\n' -}}
{%- elif message.role == 'assistant' -%}
{%- set words = body(message.content, false) -%}
{{- '<|im_start|>assistant\n' ~ words -}}
{%- for call in message.tool_calls or [] -%}
{%- set f = call.function or call -%}
{{- '\n' if words or not loop.first else '' -}}
{{- '<tool_call>\n{"name": "' ~ f.name ~ '", "arguments": ' ~ (f.arguments if f.arguments is string else f.arguments | tojson) ~ '}\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\n' -}}
{%- elif message.role == 'tool' -%}
{{- '<|im_start|>user' if loop.first or loop.previtem.role != 'tool' else '' -}}
{{- '\n<tool_response>\n' ~ body(message.content, true) ~ '\n</tool_response>' -}}
{{- '<|im_end|>\n' if loop.last or loop.nextitem.role != 'tool' else '' -}}
{%- endif -%}
{%- endfor -%}
{{- '<|im_start|>assistant\n' if add_generation_prompt else '' -}}
)jinja";

/// The tokenizer_config.json with which transformers' AutoTokenizer and AutoProcessor load a folder that holds
/// tokenizer.json. `max_length`: positions of the model.
template <tokenizer_configuration T>
std::string write_tokenizer_config(tokenizer<T> const& t, index max_length) {
  io::json config{{"add_bos_token", false},
                  {"add_prefix_space", false},
                  {"bos_token", nullptr},
                  {"unk_token", nullptr},
                  {"eos_token", "<|im_end|>"},
                  {"pad_token", "<|endoftext|>"},
                  {"clean_up_tokenization_spaces", false},
                  {"errors", "replace"},
                  {"split_special_tokens", false},
                  {"model_max_length", max_length},
                  {"tokenizer_class", "Qwen2Tokenizer"},
                  {"additional_special_tokens", io::json::array()},
                  {"added_tokens_decoder", io::json::object()},
                  {"chat_template", chat_template}};
  for (auto const& token : t.added()) {
    bool special = token.kind == token_kind::special;
    config["added_tokens_decoder"][std::to_string(token.id)] = {{"content", token.content}, {"lstrip", false},
                                                                {"normalized", false},      {"rstrip", false},
                                                                {"single_word", false},     {"special", special}};
    if (special && token.content != "<|endoftext|>") config["additional_special_tokens"].push_back(token.content);
  }
  return config.dump(2) + "\n";
}

}  // namespace medmo::inline MEDMO_ABI::text
