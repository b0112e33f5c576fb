// Language: foundation models. It knows neither databases nor networks.
//
// Files
//   FileMapping, ByteReader, OutputFile         a file in memory, read only; one that is written whole or not at all
//   ModelFile                                   named tensors and metadata, whatever the format; `StoredTensor`
//   GGUFFile, MetadataValue, GGUFEncoding       GGUF read and written
//   SafetensorsFile                             safetensors read and written, single and in shards
//   ModelConfiguration, RotaryEmbedding         what a model is: family, sizes, constants; from GGUF or from `config.json`
//   HuggingFaceFiles, ConfigurationSource       the JSON files beside a checkpoint
//   PretrainedModel, ExpectedTensors            a model on disk, checked whole
//   TensorNames, TensorRearranging              names and orders of rows in GGUF and in checkpoints
//   GGUFConverter                               a model with its weights in another type
// Tokenizers
//   Tokenizer                                   text into token ids and back; `TokenStream` gives an answer's text as it comes
//   TokenizerMetadata, Tokenizer+Metadata       what GGUF files say
//   TokenizerFile, TokenizerJSON                what `tokenizer.json` says
//   AddedTokens                                 control tokens and added words, found in a text before all else
//   Normalizer                                  what becomes of a text before it is cut
//   PreTokenizer, WordScanner                   how texts are cut into words
//   BytePairModel, BytePairMerger               byte-pair encoding
//   WordPieceModel, UnigramModel                WordPiece; the unigram language model
//   SentencePieceModel, CharacterMap            SentencePiece's byte-pair encoding, and its normalization
//   Vocabulary, ByteStrings, ByteTrie, WordCache, ScalarClass
//
// Templates
//   ChatTemplate                                messages and tools into the prompt, by the model's own Jinja template
//   TemplateValue                               what a template is given: JSON whose objects keep their order
//   TemplateLexer, TemplateParser, TemplateNode the part of Jinja that chat templates use
//   TemplateRenderer, PythonValue, PythonText   running it, with Python's meaning of values and with limits
//
// Grammar
//   Grammar, SchemaCompiler                     a JSON schema as a push-down automaton over bytes
//   Automaton, PatternParser, NumberRange       patterns, lengths and limits inside of strings and numbers
//   GrammarConstraint, GrammarState             which tokens may come next, and how far an answer has come
//   TokenTrie, TokenMask, GrammarMachine
//
// Models
//   DecoderModel                                a transformer that generates text: one step over any mix of sequences
//   LlamaBlock, GPT2Block                       a layer of each family
//   BertModel                                   an encoder: texts into vectors
//   WeightLoader                                a file's tensors into a backend
//   Adapter                                     low-rank changes to some products, for some rows of a step
//
// Engine
//   GenerationEngine                            continuous batching on a thread of its own
//   Scheduler, PagePool                         which rows a step computes; pages of the cache, shared by texts that begin alike
//   ActiveText                                  a text being generated; guesses of what comes next
//   Sampler                                     the next token from logits
