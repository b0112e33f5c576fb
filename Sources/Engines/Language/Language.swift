// Language: foundation models. It knows neither databases nor networks.
//
// Tokenizers
//   Tokenizer                                   text into token ids and back; `TokenStream` gives an answer's text as it comes
//   TokenizerMetadata, Tokenizer+Metadata       what GGUF files say
//   AddedTokens                                 control tokens and added words, found in a text before all else
//   PreTokenizer, WordScanner                   how texts are cut into words
//   BytePairModel, BytePairMerger               byte-pair encoding
//   Vocabulary, ByteStrings, ByteTrie, WordCache, ScalarClass
