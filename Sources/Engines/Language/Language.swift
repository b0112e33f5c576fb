// Language: foundation models. It knows neither databases nor networks.
