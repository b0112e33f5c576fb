// Access: who may call. Contents:
//
//   Identity         who sends a request
//   TokenAuthority   the appliance's access token and the short-lived tokens of jobs
//
// Roles, users and OIDC come with a later release; today a caller is a member, a job, or nobody.
