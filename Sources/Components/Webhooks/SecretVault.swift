import Core
import Crypto
import Foundation
import Synchronization

/// Encrypts the secrets of webhooks with AES-256-GCM. The key lies in a file beside the database, readable by its owner
/// only: whoever reads the directory reads the secrets, and whoever has only the database, or a backup of it, does not.
package final class SecretVault: Sendable {
    private let path: String
    private let key = Mutex<SymmetricKey?>(nil)

    /// - Parameter path: the key's file; made with the first secret.
    package init(path: String) { self.path = path }

    /// - Parameter owner: what the secret belongs to; it opens for nobody else.
    func seal(_ secret: String, for owner: String) throws -> String {
        let box = try AES.GCM.seal(
            Data(secret.utf8), using: try loadKey(creating: true), authenticating: Data(owner.utf8))
        guard let combined = box.combined else {
            throw NestboxError(.internalError, "a secret could not be encrypted")
        }
        return combined.base64EncodedString()
    }

    /// Throws `unavailable` when the key is gone or is another one.
    func open(_ sealed: String, for owner: String) throws -> String {
        do {
            guard let data = Data(base64Encoded: sealed) else { throw CryptoKitError.incorrectParameterSize }
            let box = try AES.GCM.SealedBox(combined: data)
            let plain = try AES.GCM.open(box, using: try loadKey(creating: false), authenticating: Data(owner.utf8))
            return String(decoding: plain, as: UTF8.self)
        } catch let error as NestboxError {
            throw error
        } catch {
            throw NestboxError(
                .unavailable, "the webhook's secret cannot be read with the key in \(path)",
                hint: "set the secret again, or put the key back that it was stored with", cause: error)
        }
    }

    private func loadKey(creating: Bool) throws -> SymmetricKey {
        try key.withLock { loaded in
            if let loaded { return loaded }
            if !FileManager.default.fileExists(atPath: path) {
                guard creating else {
                    throw NestboxError(
                        .unavailable, "\(path), the key of the webhooks' secrets, is missing",
                        hint: "put it back, or set the secrets again")
                }
                try DurableFile.write(SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }, to: path)
            }
            guard let bytes = FileManager.default.contents(atPath: path), bytes.count == 32 else {
                throw NestboxError(
                    .unavailable, "\(path), the key of the webhooks' secrets, cannot be read as 32 bytes",
                    hint: "put it back, or remove it and set the secrets again")
            }
            let found = SymmetricKey(data: bytes)
            loaded = found
            return found
        }
    }
}
