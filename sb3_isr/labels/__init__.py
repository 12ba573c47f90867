"""What the caregiver said."""
