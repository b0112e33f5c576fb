import Contracts
import Core
import Foundation

/// What may not be written down. Names decide: nothing can tell a password from a word.
package enum Secrets {
    /// Environment variables that decide what a computation gives. Others are captured only when named.
    package static let variables: Set<String> = [
        "PYTHONHASHSEED", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "TF_DETERMINISTIC_OPS",
        "TF_CUDNN_DETERMINISTIC", "PL_GLOBAL_SEED", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
        "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "LANG", "LC_ALL", "TZ",
    ]

    private static let words: Set<String> = [
        "password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "apikey", "credential", "credentials",
        "auth", "authorization",
    ]
    /// `--eos-token`, `--pad-token`: words of a language model.
    private static let harmlessBefore: Set<String> = [
        "pad", "eos", "bos", "unk", "mask", "sep", "cls", "special", "stop", "image",
    ]

    /// Whether what is called that may be a secret: `HF_TOKEN`, `--db-password`, but not `--max-tokens` and `--tokenizer`.
    package static func isSecret(_ name: String) -> Bool {
        var parts: [String] = [], word = ""
        var wasLower = false
        for character in name {
            let ends = !(character.isLetter || character.isNumber) || (character.isUppercase && wasLower)
            if ends, !word.isEmpty {
                parts.append(word.lowercased())
                word = ""
            }
            if character.isLetter || character.isNumber { word.append(character) }
            wasLower = character.isLowercase
        }
        if !word.isEmpty { parts.append(word.lowercased()) }
        for (index, part) in parts.enumerated() {
            if part == "key", index > 0, ["api", "access", "private", "secret", "account"].contains(parts[index - 1]) {
                return true
            }
            guard words.contains(part) else { continue }
            if part == "token", index > 0, harmlessBefore.contains(parts[index - 1]) { continue }
            return true
        }
        return false
    }

    /// Whether a file of that name is likely to hold secrets.
    package static func isSecretFile(_ path: String) -> Bool {
        let name = (path as NSString).lastPathComponent.lowercased()
        if name == ".env" || name.hasPrefix(".env.") || name.hasSuffix(".env") { return true }
        if [".netrc", ".pgpass", ".pypirc", ".npmrc", ".htpasswd", ".git-credentials"].contains(name) { return true }
        if ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"].contains(where: name.hasPrefix) { return true }
        let ending = (name as NSString).pathExtension
        if ["pem", "key", "p12", "pfx", "keystore", "jks", "kdbx"].contains(ending) { return true }
        return name.contains("secret") || name.contains("credential") || name.contains("password")
    }

    /// Whether text holds what can only be a secret: an address with a password, a private key, a token of a known form.
    package static func holdsSecret(_ text: String) -> Bool {
        text.contains(#/:\/\/[^\/@\s'":]+:[^\/@\s'"{$<]+@/#)
            || text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----")
            || text.contains(
                #/\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{32,}|xox[abp]-[A-Za-z0-9-]{20,})/#
            )
    }

    /// Text without the user and password of addresses in it.
    package static func withoutPasswords(_ text: String) -> String {
        text.replacing(#/:\/\/[^\/@\s'"]+@/#, with: "://")
    }

    /// A command line as it may be shown.
    package static func redact(_ arguments: [String]) -> [String] {
        var shown: [String] = []
        var hidesNext = false
        for argument in arguments {
            if hidesNext, !argument.hasPrefix("-") {
                shown.append(RunEnvironment.redacted)
                hidesNext = false
                continue
            }
            hidesNext = false
            if let equals = argument.firstIndex(of: "="), isSecret(String(argument[..<equals])) {
                shown.append(argument[...equals] + RunEnvironment.redacted)
            } else {
                hidesNext = argument.hasPrefix("-") && !argument.contains("=") && isSecret(argument)
                shown.append(withoutPasswords(argument))
            }
        }
        return shown
    }
}
