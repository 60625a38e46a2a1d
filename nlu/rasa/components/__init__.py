"""Foyer's own parts of the Rasa pipeline. They run in Rasa's virtualenv and import nothing of the house."""
