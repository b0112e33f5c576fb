// Language: foundation models. It knows neither databases nor networks.
//
// Tokenizers
//   Tokenizer                                   text into token ids and back; `TokenStream` gives an answer's text as it comes
//   TokenizerMetadata, Tokenizer+Metadata       what GGUF files say
//   AddedTokens                                 control tokens and added words, found in a text before all else
//   PreTokenizer, WordScanner                   how texts are cut into words
//   BytePairModel, BytePairMerger               byte-pair encoding
//   Vocabulary, ByteStrings, ByteTrie, WordCache, ScalarClass
//
// Templates
//   ChatTemplate                                messages and tools into the prompt, by the model's own Jinja template
//   TemplateValue                               what a template is given: JSON whose objects keep their order
//   TemplateLexer, TemplateParser, TemplateNode the part of Jinja that chat templates use
//   TemplateRenderer, PythonValue, PythonText   running it, with Python's meaning of values and with limits
