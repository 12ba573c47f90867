"""The internal social reward: network, features, training, file."""
