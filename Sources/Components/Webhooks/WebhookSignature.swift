import Core
import Crypto
import Foundation

/// The headers of a post, MLflow's: an id that stays the same when it is sent again, the moment of sending, and when the
/// webhook has a secret, `v1,` and HMAC-SHA256 of `id.moment.body` in Base64.
/// Source: `mlflow/webhooks/delivery.py`, MLflow 3.17.
enum WebhookSignature {
    /// - Parameter at: now, not when the message was made: receivers refuse what was signed long ago.
    static func headers(deliveryID: String, at: Timestamp, body: String, secret: String?) -> [(
        name: String, value: String
    )] {
        let seconds = String(at.milliseconds / 1000)
        var headers = [
            (name: "Content-Type", value: "application/json"), (name: "X-MLflow-Delivery-Id", value: deliveryID),
            (name: "X-MLflow-Timestamp", value: seconds),
        ]
        if let secret, !secret.isEmpty {
            let code = HMAC<SHA256>.authenticationCode(
                for: Data("\(deliveryID).\(seconds).\(body)".utf8), using: SymmetricKey(data: Data(secret.utf8)))
            headers.append((name: "X-MLflow-Signature", value: "v1," + Data(code).base64EncodedString()))
        }
        return headers
    }
}
