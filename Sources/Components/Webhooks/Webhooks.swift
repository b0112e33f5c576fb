// Webhooks: who is told of the registry's changes, and the outbox that everything goes through. In order:
//
//   EmbeddedWebhooks              the seam on SQLite: create, find, list, change, delete, test
//   WebhookFanOut                 committed events → one message for each webhook that asked for them
//   WebhookFacts                  an event → MLflow's payload; the examples of the test call
//   WebhookRules                  names, addresses, subscriptions
//   WebhookDestination            which addresses may be posted to, checked again before every post
//   PublicAddress                 which IP addresses belong to the internet
//   WebhookSignature              headers and HMAC
//   SecretVault                   secrets encrypted, the key in a file beside the database
//   EmbeddedOutbox                messages, their attempts, their history
//   DeliverySchedule              when to try again, when to give up
//   DeliveryService               the loop that posts
//   WebhookMigrations             the tables
//
// A change in the registry writes its rows and its event, and nothing of this. The loop reads the events after its position
// and puts the messages and the new position into the outbox in one transaction, so each event becomes each message once. A
// message leaves the outbox when it was answered: who is killed in between sends it again under the same id.
// It refuses to know the registry's tables: all that a payload says stands in the event.
