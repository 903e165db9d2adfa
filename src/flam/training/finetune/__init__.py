"""Fine-tuning on a folder of recordings: new words for a model that knows many, without forgetting those."""
